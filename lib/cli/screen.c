/* screen.c - a terminal that is drawn anew each time, and its keys. The control sequences are those that every terminal
 * since the VT100 knows, and the alternate screen, which one that does not know it leaves out. */
#include "screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "signals.h"
#include "width.h"

static struct termios before;

/* True for a terminal that says of itself that it obeys no control sequences. */
static bool is_dumb(void)
{
    const char *kind = getenv("TERM");
    return kind && !strcmp(kind, "dumb");
}

bool cli_screen_open(void)
{
    struct termios raw;
    if (!isatty(STDOUT_FILENO) || is_dumb() || tcgetattr(STDIN_FILENO, &before))
        return false;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw))
        return false;
    fputs("\033[?1049h\033[?25l", stdout);
    return true;
}

void cli_screen_close(void)
{
    fputs("\033[H\033[J\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

struct cli_window cli_screen_window(void)
{
    struct winsize window;
    bool known = !ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && window.ws_row && window.ws_col;
    return known ? (struct cli_window){window.ws_row, window.ws_col} : (struct cli_window){24, 80};
}

bool cli_screen_begin(struct cli_screen *s)
{
    s->window = cli_screen_window();
    s->lines = open_memstream(&s->text, &s->size);
    return s->lines;
}

/* The line, with a tilde at its end if it is longer than the window is wide. */
static void print_line(const char *line, size_t length, unsigned columns)
{
    const bool whole = cli_clip(line, length, (int)columns) == length;
    printf("%.*s%s", (int)cli_clip(line, length, (int)columns - !whole), line, whole ? "" : "~");
}

/* no-color.org */
static bool colours(void)
{
    const char *no = getenv("NO_COLOR");
    return !no || !*no;
}

bool cli_screen_show(struct cli_screen *s)
{
    if (fclose(s->lines))
        return false;
    fputs("\033[H", stdout);
    const char *line = s->text;
    for (unsigned row = 0; row < s->window.rows && *line; row++) {
        const char *colour = "", *plain = "";
        if (*line == CLI_RED || *line == CLI_YELLOW) {
            colour = !colours() ? "" : *line == CLI_RED ? "\033[31m" : "\033[33m";
            plain = *colour ? "\033[0m" : "";
            line++;
        }
        size_t length = strcspn(line, "\n");
        /* Erased before, not behind: behind a full line the cursor stands on its last character. */
        printf("%s\033[K%s", row ? "\r\n" : "", colour);
        print_line(line, length, s->window.columns);
        fputs(plain, stdout);
        line += length + (line[length] == '\n');
    }
    fputs("\033[J", stdout);
    free(s->text);
    return !fflush(stdout);
}

/* What terminals send for the keys that move: ESC, [ or O, and a letter, or a number and a tilde. */
static int special_key(const char *text, ssize_t size)
{
    if (size < 3 || (text[1] != '[' && text[1] != 'O'))
        return CLI_KEY_ESCAPE;
    switch (text[2]) {
    case 'A':
        return CLI_KEY_UP;
    case 'B':
        return CLI_KEY_DOWN;
    case '5':
        return CLI_KEY_PAGE_UP;
    case '6':
        return CLI_KEY_PAGE_DOWN;
    default:
        return 0;
    }
}

int cli_screen_key(int64_t timeout_ns)
{
    char text[8];
    if (timeout_ns < 0 || !cli_wait_readable(STDIN_FILENO, timeout_ns))
        return 0;
    ssize_t n = read(STDIN_FILENO, text, 1);
    if (n != 1)
        return n ? 0 : 'q'; /* the terminal is gone */
    if (*text != CLI_KEY_ESCAPE)
        return (unsigned char)*text;
    n = read(STDIN_FILENO, text + 1, 2); /* what came with it, and not the next key: reads do not wait */
    int special = special_key(text, n < 0 ? 1 : n + 1);
    if ((special == CLI_KEY_PAGE_UP || special == CLI_KEY_PAGE_DOWN) && read(STDIN_FILENO, text, 1) != 1)
        return 0; /* its tilde */
    return special;
}
