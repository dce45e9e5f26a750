/* pattern.h - a subject or topic with {source}, {pipeline} and {stage} in it. */
#ifndef CONVEYOR_BRIDGE_PATTERN_H
#define CONVEYOR_BRIDGE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct bridge_names {
    const char *source, *pipeline, *stage;
};

/* Writes the pattern with the names in it; what the engine does not allow in a name (`forbidden`, spaces and control
 * characters) becomes '_'. False if the text is too short. */
bool bridge_pattern_fill(const char *pattern, const struct bridge_names *names, const char *forbidden, char *text,
                         size_t size);

/* NULL, or what is wrong with a pattern. */
const char *bridge_pattern_wrong(const char *pattern);

#endif
