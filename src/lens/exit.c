/* FREEHOLD_STATS: the report when the program ends. */
#include <fcntl.h>
#include <string.h>
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

__attribute__((destructor)) static void report_at_exit(void) {
  const char *wanted = fh_os_setting(fh_settings[FH_SETTING_STATS].name);
  if (wanted == NULL || *wanted == '\0' || strcmp(wanted, "0") == 0) {
    return;
  }
  if (strcmp(wanted, "1") == 0) {
    fh_report_text(2);
  } else {
    write_json(wanted);
  }
}
