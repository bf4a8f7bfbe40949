/* FREEHOLD_STATS: the report when the program ends. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fatal.h"
#include "base/settings.h"
#include "freehold/stats.h"
#include "lens/report.h"
#include "os/os.h"

static void write_json(const char *path) {
  char text[2048];
  size_t length = fh_stats_json(text, sizeof text);
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0 || write(file, text, length) != (ssize_t)length) {
    fh_warn("statistics could not be written to ", path);
  }
  if (file >= 0) {
    close(file);
  }
}

static const char *setting(void) {
  const char *wanted = fh_os_setting(fh_settings[FH_SETTING_STATS].name);
  return wanted == NULL || *wanted == '\0' || strcmp(wanted, "0") == 0 ? NULL : wanted;
}

/* Standard error as it was at start: some programs (ls) close it before they end. */
static int kept = -1;
static struct stat kept_is;

__attribute__((constructor)) static void keep_standard_error(void) {
  const char *wanted = setting();
  if (wanted != NULL && strcmp(wanted, "1") == 0 && fstat(2, &kept_is) == 0) {
    int saved = errno;
    kept = fcntl(2, F_DUPFD_CLOEXEC, 200);
    errno = saved;
  }
}

/* The kept one, unless the program has closed it and opened something else there. */
static int report_file(void) {
  struct stat now;
  bool same = kept >= 0 && fstat(kept, &now) == 0 && now.st_dev == kept_is.st_dev && now.st_ino == kept_is.st_ino;
  return same ? kept : 2;
}

char fh_exit_report; /* see lens/report.h */

__attribute__((destructor)) static void report_at_exit(void) {
  const char *wanted = setting();
  if (wanted == NULL) {
    return;
  }
  if (strcmp(wanted, "1") == 0) {
    fh_report_text(report_file());
  } else {
    write_json(wanted);
  }
}
