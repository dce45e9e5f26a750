/* unsettled_findings.c - what the doctor has to say of records with positions that stay: what feeds their source must
 * keep all from there on. */
#include <stdio.h>

#include "findings.h"
#include "units.h"

enum { WHERE_BYTES = 3 * (CVB_NAME_MAX + 8) };

/* The stages whose oldest record is the source's oldest: "stage 'sink'". If other sources have older ones there, all
 * stages where it may be. */
static const char *where(const struct cli_snapshot *s, uint64_t age_ns, char text[WHERE_BYTES])
{
    bool told = false;
    size_t n = 0;
    for (size_t i = 0; i < s->stage_count; i++)
        told |= s->stages[i].id != CVB_STAGE_DEAD_LETTER && s->stages[i].age.record_ns == age_ns;
    for (size_t i = 0; i < s->stage_count && n + CVB_NAME_MAX + 8 < WHERE_BYTES; i++) {
        const struct cli_stage *t = &s->stages[i];
        if (t->id != CVB_STAGE_DEAD_LETTER && (told ? t->age.record_ns == age_ns : t->age.record_ns > age_ns))
            n += (size_t)snprintf(text + n, WHERE_BYTES - n, "%s '%s'", n ? " or" : "stage", t->name);
    }
    return n ? text : "a stage that it has just left";
}

static void tell(struct cli_findings *f, const char *word, const struct cli_snapshot *s, const struct cli_source *o,
                 uint64_t age_ns)
{
    char text[WHERE_BYTES];
    const bool letters = cli_has_dead_letters(s, o), one_is_oldest = age_ns > o->age.record_ns;
    const char *place = one_is_oldest ? "the dead letters" : where(s, age_ns, text);
    struct cli_finding *x = cli_finding_add(f, "source-unsettled", CLI_WARNING, "source", o->name);
    cli_finding_tell(x,
                     "source '%s' has %llu record%s with positions that did not leave%s, the oldest for %.1f s, in %s: "
                     "what feeds it can forget nothing from there on",
                     o->name, (unsigned long long)o->progress.live, cli_s(o->progress.live),
                     letters ? ", dead letters among them" : "", (double)age_ns / 1e9, place);
    cli_finding_advise(x, "see who has what there with 'conveyor leases %s'%s", word,
                       letters ? ", and 'retry' or 'drop' dead letters" : "");
}

void cli_findings_of_unsettled(struct cli_findings *f, const char *word, const struct cli_looks *l)
{
    for (size_t i = 0; i < l->now.source_count; i++) {
        const struct cli_source *o = &l->now.sources[i];
        const uint64_t age_ns = cli_unsettled_ns(&l->now, o);
        if (age_ns && (double)age_ns / 1e9 >= l->unsettled_after)
            tell(f, word, &l->now, o, age_ns);
    }
}
