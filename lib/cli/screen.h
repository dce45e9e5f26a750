/* screen.h - a terminal that is drawn anew each time, and its keys. */
#ifndef CONVEYOR_CLI_SCREEN_H
#define CONVEYOR_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cli_window {
    unsigned rows, columns;
};

struct cli_screen {
    struct cli_window window;
    FILE *lines; /* what is drawn next: lines without control characters */
    char *text;
    size_t size;
};

/* Takes the terminal over; false if there is none, and then nothing has changed. */
bool cli_screen_open(void);
void cli_screen_close(void);

/* Begins a picture, and shows it: as many lines and columns of it as fit. False if it could not be written. */
bool cli_screen_begin(struct cli_screen *s);
bool cli_screen_show(struct cli_screen *s);

/* The next key within the time, or 0. */
int cli_screen_key(int64_t timeout_ns);

#endif
