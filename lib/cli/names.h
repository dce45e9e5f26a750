/* names.h - the stages of a segment by their names, without making any. */
#ifndef CONVEYOR_CLI_NAMES_H
#define CONVEYOR_CLI_NAMES_H

#include <stdbool.h>
#include <stdint.h>

struct cvb_handle;

/* The id of a stage that is there: 0, or the exit status after a complaint that names those that there are. `what` says
 * where the name was given ("--to"), and `cure` what else helps, or is "". */
int cli_find_stage(struct cvb_handle *handle, const char *segment, const char *what, const char *name, const char *cure,
                   uint32_t *id);

/* As cli_find_stage, of a source. */
int cli_find_source(struct cvb_handle *handle, const char *segment, const char *what, const char *name, uint32_t *id);

/* The id of a stage, which is made if it is not there: 0, or the exit status after a complaint. */
int cli_make_stage(struct cvb_handle *handle, const char *segment, const char *option, const char *name, uint32_t *id);

/* 1 and the id of a stage that is there, 0 if it is not, or an error. Complains about nothing. */
int cli_look_up_stage(struct cvb_handle *handle, const char *name, uint32_t *id);

/* As cli_look_up_stage, of a source. */
int cli_look_up_source(struct cvb_handle *handle, const char *name, uint32_t *id);

/* True if the text can be a name: 1 to 63 bytes of UTF-8 without control characters. */
bool cli_is_name(const char *text);

#endif
