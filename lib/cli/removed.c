/* removed.c - a segment whose name was removed, and who still uses it: /proc tells what each process has mapped. */
#include "removed.h"

#include <conveyor/state.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "process.h"
#include "signals.h"
#include "text.h"
#include "word.h"

#define LOOK_NS INT64_C(500000000)
enum { NAMED = 5 }; /* pids that are written out */

bool cli_is_removed(struct cvb_handle *handle, int64_t *next_look_ns)
{
    int64_t now = cli_now_ns();
    if (now < *next_look_ns)
        return false;
    *next_look_ns = now + LOOK_NS;
    return cvb_is_linked(handle) == 0;
}

void cli_complain_removed(const char *segment)
{
    char word[CLI_WORD_BYTES];
    cli_complain("segment '%s' was removed while it was in use: 'conveyor create %s' makes a new one", segment,
                 cli_segment_word(segment, word));
}

static bool ends_with(const char *line, size_t length, const void *end)
{
    size_t n = strlen(end);
    return length >= n && !memcmp(line + length - n, end, n);
}

const char *cli_removed_users(const char *segment, char *text, size_t size)
{
    char end[300];
    size_t found = 0, used = 0;
    text[0] = 0;
    snprintf(end, sizeof end, "/dev/shm/%s (deleted)\n", segment);
    DIR *all = opendir("/proc");
    for (struct dirent *e; all && (e = readdir(all));) {
        if (!isdigit((unsigned char)e->d_name[0]) || !cli_process_any_mapping(e->d_name, ends_with, end) ||
            ++found > NAMED)
            continue;
        int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", e->d_name);
        used = n > 0 && used + (size_t)n < size ? used + (size_t)n : used;
    }
    if (all)
        closedir(all);
    if (found > NAMED)
        snprintf(text + used, size - used, " and %zu more", found - NAMED);
    return text;
}
