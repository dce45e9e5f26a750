/* screen.h - a terminal that is drawn anew each time, and its keys. */
#ifndef CONVEYOR_CLI_SCREEN_H
#define CONVEYOR_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The first character of a line that is shown in that colour; without colours where NO_COLOR is set. */
enum { CLI_RED = 1, CLI_YELLOW = 2 };

/* Keys beside characters. */
enum cli_key { CLI_KEY_UP = 256, CLI_KEY_DOWN, CLI_KEY_PAGE_UP, CLI_KEY_PAGE_DOWN, CLI_KEY_ESCAPE = 27 };

struct cli_window {
    unsigned rows, columns;
};

struct cli_screen {
    struct cli_window window;
    FILE *lines; /* what is drawn next: lines without control characters, but for a CLI_RED or CLI_YELLOW in front */
    char *text;
    size_t size;
};

/* Takes the terminal over; false if there is none, or a dumb one, and then nothing has changed. */
bool cli_screen_open(void);
void cli_screen_close(void);

/* How large it is now. */
struct cli_window cli_screen_window(void);

/* Begins a picture, and shows it: as many lines and columns of it as fit; a tilde ends a line that is cut. False if it
 * could not be written. */
bool cli_screen_begin(struct cli_screen *s);
bool cli_screen_show(struct cli_screen *s);

/* The next key within the time, a character or an enum cli_key, or 0. */
int cli_screen_key(int64_t timeout_ns);

#endif
