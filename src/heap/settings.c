#include "heap/settings.h"

#include "base/fatal.h"
#include "base/settings.h"
#include "os/os.h"
#include "pages/pages.h"

static bool read_number(unsigned which, uint64_t most, uint64_t *out) {
  const char *text = fh_os_setting(fh_settings[which].name);
  if (text == NULL) {
    return false;
  }
  if (!fh_setting_number(text, most, out)) {
    fh_warn("ignored, not a number in range: ", fh_settings[which].name);
    return false;
  }
  return true;
}

void fh_settings_apply(void) {
  uint64_t value;
  if (read_number(FH_SETTING_RETAIN, 1000, &value)) {
    fh_pages_set_retain((unsigned)value);
  }
  if (read_number(FH_SETTING_LIMIT, SIZE_MAX / 2, &value)) {
    fh_pages_set_limit((size_t)value);
  }
  if (read_number(FH_SETTING_HARDEN, 2, &value) && value != 0) {
    fh_warn("hardened levels are not built yet, 0 is used: ", fh_settings[FH_SETTING_HARDEN].name);
  }
}
