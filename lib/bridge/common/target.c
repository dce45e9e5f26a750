/* target.c - the subject or topic that a record goes to. */
#include "target.h"

#include <conveyor/state.h>
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "text.h"

bool bridge_target_begin(struct bridge_target *t, const struct bridge *b, const char *what, const char *forbidden,
                         size_t size)
{
    const char *wrong = bridge_pattern_wrong(b->url.path);
    if (!wrong && strlen(b->url.path) >= size)
        wrong = "it is too long";
    if (wrong) {
        cli_complain("the %s '%s' of --to is not right: %s", what, b->url.path, wrong);
        return false;
    }
    *t = (struct bridge_target){.bridge = b, .forbidden = forbidden, .size = size, .fixed = !strchr(b->url.path, '{')};
    snprintf(t->text, sizeof t->text, "%s", t->fixed ? b->url.path : "");
    return true;
}

bool bridge_target_find(struct bridge_target *t, const struct cvb_lease *l)
{
    char pipeline[CVB_NAME_MAX + 1];
    if ((t->fixed && !t->wants_source) || (t->known && l->source == t->source && l->pipeline == t->pipeline))
        return true;
    t->known = false;
    if (cvb_source_name(t->bridge->handle, l->source, t->source_name) ||
        cvb_pipeline_name(t->bridge->handle, l->pipeline, pipeline))
        return false;
    struct bridge_names names = {t->source_name, pipeline, t->bridge->stage_name};
    t->source = l->source;
    t->pipeline = l->pipeline;
    t->known = t->fixed || bridge_pattern_fill(t->bridge->url.path, &names, t->forbidden, t->text, t->size);
    return t->known;
}
