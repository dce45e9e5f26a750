/* list.c - the segments of this machine. */
#include <conveyor/state.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "flow/flow.h"
#include "system.h"

/* True if the system can open no file now, so that a file that could not be looked at may be a segment. */
static bool is_short_of_files(int looked)
{
    return looked == CVB_ESYSTEM && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
}

/* The settings that a visitor is shown, with room behind them for those that a later version adds: 0. */
union shown {
    struct cvb_settings settings;
    char all[512];
};

/* Shows the visitor each segment in the directory, until the visitor returns another number than 0, or an error. */
static int list(DIR *d, int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data)
{
    for (union shown shown = {.all = {0}};;) {
        uint64_t bytes;
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e)
            return errno ? CVB_ESYSTEM : 0;
        if (!strncmp(e->d_name, CVB_UNFINISHED_PREFIX, strlen(CVB_UNFINISHED_PREFIX)))
            continue;
        int looked = cvb_segment_look(e->d_name, &shown.settings, &bytes);
        if (is_short_of_files(looked))
            return looked;
        int result = looked ? 0 : visit(e->d_name, &shown.settings, bytes, data);
        if (result)
            return result;
    }
}

int cvb_list_sized(int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data, size_t size)
{
    if (!visit || size > sizeof(union shown))
        return CVB_EINVAL;
    int before = cvb_guard(), result;
    DIR *d = opendir(CVB_SHM_DIRECTORY);
    if (d) {
        result = list(d, visit, data);
        int kept = errno;
        closedir(d);
        errno = kept;
    } else {
        result = cvb_path_error();
    }
    cvb_unguard(before);
    return result;
}
