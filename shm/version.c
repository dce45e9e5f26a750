/* version.c - which version of the library and of the layout this is. */
#include <conveyor/version.h>

#include "layout.h"

#ifdef CVB_PROJECT_VERSION /* as meson.build has it */
static_assert(CVB_VERSION == CVB_PROJECT_VERSION, "version.h and meson.build differ");
#endif

uint32_t cvb_version(void) { return CVB_VERSION; }

uint32_t cvb_layout_version(void) { return CVB_LAYOUT_VERSION; }
