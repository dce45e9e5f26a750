/* width.h - how many columns of a terminal a text takes. */
#ifndef CONVEYOR_CLI_WIDTH_H
#define CONVEYOR_CLI_WIDTH_H

#include <stddef.h>

/* From here on cli_width and cli_clip know the characters that take two columns, or none; before, each takes one. */
void cli_width_begin(void);

/* Of a UTF-8 text. */
int cli_width(const char *text);

/* The width of a column that is `width` wide and shows the text, too. */
static inline int cli_wider(int width, const char *text)
{
    const int own = cli_width(text);
    return own > width ? own : width;
}

/* How many bytes of the text, of which there are `length`, take at most `columns` columns. */
size_t cli_clip(const char *text, size_t length, int columns);

#endif
