/* help.c - what `top` says about its keys, columns and colours, broken to the width of the window. */
#include <stdbool.h>
#include <string.h>

#include "top.h"

enum { INDENT = 10 };

static const struct {
    const char *what, *means;
} entries[] = {
    {"s, S", "sort by the next, the former column"},
    {"r", "turn the order"},
    {"/", "filter by name: Enter ends, Escape takes it away"},
    {"arrows", "scroll; also j, k, and by tens space, b, the page keys"},
    {"?", "this text, and back"},
    {"q", "quit"},
    {"in/s", "records put"},
    {"out/s", "records acked or forwarded"},
    {"retry/s", "records returned, or delivered again after a death"},
    {"stall", "the part of the time that a source waited for room"},
    {"oldest", "how long the oldest record is there, or the oldest lease is held"},
    {"p99", "time in the stage of what was taken lately: one in a hundred took longer"},
    {"pending", "records with positions that did not leave"},
    {"idle", "since the last call"},
    {"red", "told to pause; dead letters; stopped or dead processes"},
    {"yellow", "told to slow down; the oldest record waits for long; holds records and makes no call"},
};

/* How many bytes of the text go into one line: up to a blank, if there is one. */
static size_t fitting(const char *text, size_t width)
{
    size_t n = strlen(text);
    if (n <= width)
        return n;
    for (n = width; n && text[n] != ' ';)
        n--;
    return n ? n : width;
}

/* Writes the lines of one entry that are not before `from`; their number is `line` and on. The number of the next. */
static size_t print_entry(FILE *f, size_t entry, size_t width, size_t line, size_t from)
{
    const char *what = entries[entry].what, *text = entries[entry].means;
    while (*text) {
        const size_t n = fitting(text, width);
        if (f && line >= from)
            fprintf(f, "%-*s%.*s\n", INDENT, what, (int)n, text);
        line++;
        what = "";
        text += n;
        text += strspn(text, " ");
    }
    return line;
}

/* How many lines there are; without f none is written. */
static size_t print_all(FILE *f, size_t width, size_t from)
{
    size_t line = 0;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        line = print_entry(f, i, width, line, from);
    return line;
}

void cli_help_draw(FILE *f, struct cli_window window, size_t *from)
{
    const size_t width = window.columns > 2 * INDENT ? window.columns - INDENT : INDENT;
    const size_t all = print_all(NULL, width, 0), last = all > window.rows ? all - window.rows : 0;
    *from = *from < last ? *from : last;
    print_all(f, width, *from);
}
