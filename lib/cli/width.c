/* width.c - how many columns of a terminal a text takes. */
#include "width.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

/* Names are UTF-8 whatever the locale of the terminal. Where there is no such locale, each byte that is no character of
 * its own counts for nothing, and each other for one column. */
void cli_width_begin(void) { setlocale(LC_CTYPE, "C.UTF-8"); }

/* The columns of the character at text; *bytes that it has. */
static int next(const char *text, size_t left, size_t *bytes)
{
    mbstate_t state = {0};
    wchar_t character;
    const size_t n = mbrtowc(&character, text, left, &state);
    *bytes = n && n <= left ? n : 1;
    const int columns = n && n <= left ? wcwidth(character) : -1;
    return columns >= 0 ? columns : ((unsigned char)*text & 0xc0) != 0x80;
}

size_t cli_clip(const char *text, size_t length, int columns)
{
    size_t n = 0;
    for (size_t bytes; n < length; n += bytes) {
        columns -= next(text + n, length - n, &bytes);
        if (columns < 0)
            break;
    }
    return n;
}

int cli_width(const char *text)
{
    int columns = 0;
    const size_t length = strlen(text);
    for (size_t n = 0, bytes; n < length; n += bytes)
        columns += next(text + n, length - n, &bytes);
    return columns;
}
