/* removed.c - a segment whose name was removed, and who still uses it: /proc tells what each process has mapped. */
#include "removed.h"

#include <conveyor/state.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool ends_with(const char *line, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length >= n && !memcmp(line + length - n, end, n);
}

static bool maps(const char *pid, const char *end)
{
    char path[64], *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%.32s/maps", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false; /* it has ended, or is another user's */
    for (ssize_t n; !found && (n = getline(&line, &size, f)) > 0;)
        found = ends_with(line, (size_t)n, end);
    free(line);
    fclose(f);
    return found;
}

const char *cli_removed_users(const char *segment, char *text, size_t size)
{
    char end[300];
    size_t found = 0, used = 0;
    text[0] = 0;
    snprintf(end, sizeof end, "/dev/shm/%s (deleted)\n", segment);
    DIR *all = opendir("/proc");
    for (struct dirent *e; all && (e = readdir(all));) {
        if (!isdigit((unsigned char)e->d_name[0]) || !maps(e->d_name, end) || ++found > NAMED)
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
