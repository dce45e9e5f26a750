/* share.c - how much of the job's processor time is in calls of the library, and that as a file of results. */
#include "../report/results.h"
#include "job.h"

void job_times(const struct job *job, const struct job_outcome *o, double *library_s, double *all_s)
{
    *library_s = *all_s = 0;
    for (uint32_t i = 0; i < o->slots; i++) {
        *library_s += (double)job->board->slots[i].library_ns / 1e9;
        *all_s += (double)job->board->slots[i].cpu_ns / 1e9;
    }
}

int job_write_results(const struct job *job, const struct job_outcome *o, const struct results_output *output,
                      int wrong)
{
    struct bench_cpus cpus;
    double library_s, all_s;
    bench_cpus_find(&cpus);
    job_times(job, o, &library_s, &all_s);
    json_t *results = results_new("job", &cpus);
    json_t *one =
        json_pack("{s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:s?}", "batch", (int)job->batch, "records", (int)job->records,
                  "seconds", o->seconds, "cpu_s", all_s, "library_s", library_s, "library_part",
                  all_s > 0 ? library_s / all_s : 0, "others", o->others, "failure", wrong ? "a check failed" : NULL);
    json_object_set_new(results, "job", json_pack("[o]", one));
    int error = results_write(results, output);
    json_decref(results);
    return error;
}
