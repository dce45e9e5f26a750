/* config.h - what a segment shall be made with, from a file: the JSON of `stat --json`, of which the keys capacity,
 * settings, thresholds, retries, stages and sources count, and the limit of total. */
#ifndef CONVEYOR_CLI_CONFIG_H
#define CONVEYOR_CLI_CONFIG_H

#include <conveyor/types.h>
#include <jansson.h>
#include <stdbool.h>

struct cli_config {
    struct cvb_settings settings;
    json_t *stages, *sources;             /* arrays of names, without the dead-letter stage */
    json_t *stage_limits, *source_limits; /* objects: numbers by name, to be set when the names are made */
    json_t *stage_retries;                /* object: numbers by name; only of stages that have their own */
    uint32_t total_limit;                 /* 0: as the settings have it */
    double backpressure, resume;          /* thresholds; the first is 0: as the settings have them */
    bool max_is_set, delay_is_set;        /* retries, and their delay, are others than the settings have */
    uint32_t max_retries, delay_ms, delay_cap_ms;
    bool sealed;
};

/* With the defaults, and without names; false if there is no memory. */
bool cli_config_init(struct cli_config *c);
void cli_config_free(struct cli_config *c);

/* Reads the file over what c has: 0, or the exit status after a complaint. A key of capacity or settings, or one beside
 * these, that is not known is refused; so a typing error is not passed over. */
int cli_config_read(struct cli_config *c, const char *path);

/* Sets the limits, thresholds and retries that are not those of the settings, in a segment that has just been made and
 * has all names: 0 or an error. */
int cli_config_limit(const struct cli_config *c, struct cvb_handle *handle);

/* Adds a name unless it is there. */
void cli_config_add(json_t *names, const char *name);

#endif
