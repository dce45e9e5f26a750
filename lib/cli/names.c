/* names.c - the stages of a segment by their names, without making any: cvb_stage would make what a typo names, for
 * ever, and there are few. */
#include "names.h"

#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "text.h"
#include "word.h"

enum { LIST_BYTES = 600 };

bool cli_is_name(const char *text)
{
    size_t n = strlen(text);
    if (!n || n > CVB_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 32 || text[i] == 127)
            return false;
    json_t *string = json_string(text); /* NULL if it is not UTF-8 */
    json_decref(string);
    return string;
}

int cli_look_up_stage(struct cvb_handle *handle, const char *wanted, uint32_t *id)
{
    char name[CVB_NAME_MAX + 1];
    int error;
    for (*id = 0; !(error = cvb_stage_name(handle, *id, name)); ++*id)
        if (!strcmp(name, wanted))
            return 1;
    return error == CVB_EUNKNOWN ? 0 : error;
}

/* "'filter', 'enrich' and 3 more" */
static const char *list(struct cvb_handle *handle, char text[LIST_BYTES])
{
    char name[CVB_NAME_MAX + 1];
    size_t used = 0, more = 0;
    text[0] = 0;
    for (uint32_t id = 0; !cvb_stage_name(handle, id, name); id++) {
        if (used + sizeof name + 40 > LIST_BYTES)
            more++;
        else
            used += (size_t)snprintf(text + used, LIST_BYTES - used, "%s'%s'", used ? ", " : "", name);
    }
    if (more)
        snprintf(text + used, LIST_BYTES - used, " and %zu more", more);
    return text;
}

int cli_find_stage(struct cvb_handle *handle, const char *segment, const char *what, const char *name, const char *cure,
                   uint32_t *id)
{
    char text[LIST_BYTES];
    if (!cli_is_name(name)) {
        cli_complain("%s '%s' is %s", what, name, cvb_error_text(CVB_ENAME));
        return CLI_USAGE;
    }
    int found = cli_look_up_stage(handle, name, id);
    if (found > 0)
        return 0;
    if (found < 0)
        return cli_segment_failed(segment, found);
    cli_complain("%s '%s': segment '%s' has no such stage; it has %s%s", what, name, segment, list(handle, text), cure);
    return CLI_FAILED;
}

int cli_look_up_source(struct cvb_handle *handle, const char *wanted, uint32_t *id)
{
    struct cvb_settings settings;
    char name[CVB_NAME_MAX + 1];
    int error = cvb_settings_of(handle, &settings);
    for (uint32_t place = 0; !error && place < settings.max_sources; place++) {
        error = cvb_source_at(handle, place, id);
        if (!error)
            error = cvb_source_name(handle, *id, name);
        if (!error && !strcmp(name, wanted))
            return 1;
        error = error == CVB_EUNKNOWN ? 0 : error;
    }
    return error;
}

int cli_find_source(struct cvb_handle *handle, const char *segment, const char *what, const char *wanted, uint32_t *id)
{
    char word[CLI_WORD_BYTES];
    if (!cli_is_name(wanted)) {
        cli_complain("%s '%s' is %s", what, wanted, cvb_error_text(CVB_ENAME));
        return CLI_USAGE;
    }
    int found = cli_look_up_source(handle, wanted, id);
    if (found)
        return found > 0 ? 0 : cli_segment_failed(segment, found);
    cli_complain("%s '%s': segment '%s' has no such source; 'conveyor stat %s' shows those that it has", what, wanted,
                 segment, cli_segment_word(segment, word));
    return CLI_FAILED;
}

int cli_make_stage(struct cvb_handle *handle, const char *segment, const char *option, const char *name, uint32_t *id)
{
    char what[32];
    int error = cvb_stage(handle, name, id);
    snprintf(what, sizeof what, "--%s", option);
    if (error == CVB_ESEALED)
        return cli_find_stage(handle, segment, what, name, ", and is sealed: no other can be made", id);
    return error ? cli_name_failed(segment, option, "stage", name, error) : 0;
}
