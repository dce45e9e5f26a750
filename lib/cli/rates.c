/* rates.c - what happened between two looks, a second. */
#include "rates.h"

#include <stdio.h>
#include <time.h>

#include "width.h"

struct cli_rates cli_rates_between(const struct cvb_counts *was, const struct cvb_counts *now, double seconds)
{
    if (!was || seconds <= 0)
        return (struct cli_rates){0};
    double stalled = (double)(now->stalled_ns - was->stalled_ns) / 1e9 / seconds;
    return (struct cli_rates){
        .in = (double)(now->accepted - was->accepted) / seconds,
        .out = (double)(now->acked - was->acked + now->forwarded - was->forwarded) / seconds,
        .again = (double)(now->returned - was->returned + now->redelivered - was->redelivered) / seconds,
        .stalled = stalled < 1 ? stalled : 1}; /* a wait is counted when it ends; several processes may be one source */
}

const char *cli_wall_clock(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(text, size, "%H:%M:%S", &parts);
    return text;
}

static const struct cvb_counts *stage_was(const struct cli_snapshot *was, size_t i)
{
    return i < was->stage_count ? &was->stages[i].counts : NULL;
}

static const struct cvb_counts *source_was(const struct cli_snapshot *was, const struct cli_source *now)
{
    const struct cli_source *source = cli_source_of(was, now->id);
    return source ? &source->counts : NULL;
}

static void print_row(const char *name, int width, const struct cvb_counts *was, const struct cvb_counts *now,
                      double seconds)
{
    struct cli_rates r = cli_rates_between(was, now, seconds);
    printf("%s%*s %11.1f %11.1f %11.1f %6.1f %%\n", name, width - cli_width(name), "", r.in, r.out, r.again,
           r.stalled * 100);
}

void cli_rates_print(const struct cli_snapshot *was, const struct cli_snapshot *now, double seconds)
{
    int width = 16;
    for (size_t i = 0; i < now->stage_count; i++)
        width = cli_wider(width, now->stages[i].name);
    for (size_t i = 0; i < now->source_count; i++)
        width = cli_wider(width, now->sources[i].name);
    printf("\n%-*s %11s %11s %11s %8s\n", width, "RATES OF STAGES", "in/s", "out/s", "retry/s", "stalled");
    for (size_t i = 0; i < now->stage_count; i++)
        print_row(now->stages[i].name, width, stage_was(was, i), &now->stages[i].counts, seconds);
    if (now->source_count)
        printf("\n%-*s %11s %11s %11s %8s\n", width, "RATES OF SOURCES", "in/s", "out/s", "retry/s", "stalled");
    for (size_t i = 0; i < now->source_count; i++)
        print_row(now->sources[i].name, width, source_was(was, &now->sources[i]), &now->sources[i].counts, seconds);
    printf("in %.3f s\n", seconds);
}

static json_t *rates_object(const struct cvb_counts *was, const struct cvb_counts *now, double seconds)
{
    struct cli_rates r = cli_rates_between(was, now, seconds);
    return json_pack("{s:f,s:f,s:f,s:f}", "in", r.in, "out", r.out, "retry", r.again, "stalled", r.stalled);
}

void cli_rates_json(json_t *object, const struct cli_snapshot *was, const struct cli_snapshot *now, double seconds)
{
    json_t *stages = json_object_get(object, "stages"), *sources = json_object_get(object, "sources");
    for (size_t i = 0; i < now->stage_count; i++)
        json_object_set_new(json_array_get(stages, i), "rates",
                            rates_object(stage_was(was, i), &now->stages[i].counts, seconds));
    for (size_t i = 0; i < now->source_count; i++)
        json_object_set_new(json_array_get(sources, i), "rates",
                            rates_object(source_was(was, &now->sources[i]), &now->sources[i].counts, seconds));
    json_object_set_new(object, "seconds", json_real(seconds));
}
