/* usage.c - the line that says how a command is used, broken between its arguments. */
#include <stdio.h>
#include <string.h>

#include "options.h"

enum { WIDTH = 100, INDENT = 7 }; /* of the lines; of those after the first */

/* How many bytes from `text` on are one argument: what stands in brackets, or an option with its value. */
static size_t one_argument(const char *text)
{
    size_t n = 0;
    const bool option = *text == '-';
    for (int depth = 0; text[n] && (depth || text[n] != ' '); n++)
        depth += (text[n] == '[') - (text[n] == ']');
    if (option && text[n] && !strchr("[-|", text[n + 1]))
        n += 1 + strcspn(text + n + 1, " ");
    return n;
}

void cli_print_usage(const struct cli_command *c)
{
    size_t column = (size_t)printf("usage: conveyor %s", c->name);
    for (const char *at = c->arguments + strspn(c->arguments, " "); *at; at += strspn(at, " ")) {
        const size_t n = one_argument(at);
        if (column + 1 + n > WIDTH)
            column = (size_t)printf("\n%*s", INDENT, "") - 1;
        column += (size_t)printf(" %.*s", (int)n, at);
        at += n;
    }
    putchar('\n');
}
