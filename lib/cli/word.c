/* word.c - a name as a word of a command that a message tells to type. Names have no control characters, so a backslash
 * is enough: the one character that it does not keep as it is, the newline, is none of them. */
#include "word.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=";

/* True for a character that no shell looks at: those above, and those of several bytes. */
static bool is_plain(char c) { return (unsigned char)c >= 0x80 || strchr(plain, c); }

const char *cli_word(const char *name, char text[CLI_WORD_BYTES])
{
    size_t n = 0;
    for (; *name && n < CLI_WORD_BYTES - 4; name++) { /* two bytes, the slash of a segment, and the end have room */
        if (!is_plain(*name))
            text[n++] = '\\';
        text[n++] = *name;
    }
    text[n] = 0;
    return text;
}

const char *cli_segment_word(const char *segment, char text[CLI_WORD_BYTES])
{
    text[0] = '/';
    cli_word(segment, text + (*segment == '-'));
    return text;
}
