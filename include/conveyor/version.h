/* version.h - which version this is: of these headers, and of the library that runs. */
#ifndef CONVEYOR_VERSION_H
#define CONVEYOR_VERSION_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers. While MAJOR is 0, another MINOR may ask for a change of programs; another PATCH never
 * does. */
#define CVB_VERSION_MAJOR 0 /* rises when programs must change, from 1 on */
#define CVB_VERSION_MINOR 1 /* rises with what is new */
#define CVB_VERSION_PATCH 0 /* rises with what is mended */

/* A version as one number that grows, for comparisons, also by the preprocessor. */
#define CVB_VERSION_OF(major, minor, patch) ((major)*65536 + (minor)*256 + (patch))

/* The version of these headers. */
#define CVB_VERSION CVB_VERSION_OF(CVB_VERSION_MAJOR, CVB_VERSION_MINOR, CVB_VERSION_PATCH)

/* CVB_VERSION of the library that this program runs with, which may be another one than it was built with. */
CVB_API uint32_t cvb_version(void);

/* The layout of segments that this library makes and joins: one of another layout gives EVERSION. */
CVB_API uint32_t cvb_layout_version(void);

#ifdef __cplusplus
}
#endif
#endif
