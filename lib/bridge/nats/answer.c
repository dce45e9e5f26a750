/* answer.c - what a stream says to a message that was published to it. */
#include "answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_TOO_LONG = 10054 };

static bool read_place(const char *subject, struct nats_answered *a)
{
    const char *last = strrchr(subject, '.'), *before = last;
    while (before && before > subject && *--before != '.')
        ;
    return before && *before == '.' && sscanf(before, ".%u.%u", &a->slot, &a->attempt) == 2;
}

static void read_error(json_t *error, struct nats_answered *a)
{
    const char *text = json_string_value(json_object_get(error, "description"));
    a->answer = json_integer_value(json_object_get(error, "err_code")) == MESSAGE_TOO_LONG ? NATS_REFUSED : NATS_LATER;
    snprintf(a->text, sizeof a->text, "%s", text ? text : "an error without a description");
}

/* Most answers are alike and short: only what is not plainly an acknowledgement is parsed. */
static void read_text(const char *text, size_t length, struct nats_answered *a)
{
    if (length < 200 && memmem(text, length, "\"seq\":", 6) && !memmem(text, length, "\"error\"", 7))
        return;
    json_t *all = json_loadb(text, length, 0, NULL), *error = json_object_get(all, "error");
    if (error)
        read_error(error, a);
    else if (!json_is_integer(json_object_get(all, "seq"))) {
        a->answer = NATS_LATER;
        snprintf(a->text, sizeof a->text, "an answer that is none of JetStream's");
    }
    json_decref(all);
}

struct nats_answered *nats_answer_of(natsMsg *message)
{
    struct nats_answered *a = calloc(1, sizeof *a);
    if (!a || !read_place(natsMsg_GetSubject(message), a)) {
        free(a);
        return NULL;
    }
    if (natsMsg_IsNoResponders(message)) {
        a->answer = NATS_NOBODY;
        snprintf(a->text, sizeof a->text, "no stream takes this subject");
    } else {
        read_text(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), a);
    }
    return a;
}
