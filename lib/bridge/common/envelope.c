/* envelope.c - what a message has besides its body, as a record's header: a map of MessagePack. */
#include "envelope.h"

#include <msgpack.h>
#include <string.h>

struct room {
    char *bytes;
    size_t used, size;
};

static int write_bytes(void *data, const char *bytes, size_t count)
{
    struct room *r = data;
    if (count > r->size - r->used)
        return -1;
    memcpy(r->bytes + r->used, bytes, count);
    r->used += count;
    return 0;
}

struct bridge_text bridge_text_of(const char *text) { return (struct bridge_text){text, text ? strlen(text) : 0}; }

static bool put_text(msgpack_packer *p, const void *text, size_t length)
{
    return !msgpack_pack_str(p, length) && !msgpack_pack_str_body(p, text, length);
}

static bool put_bytes(msgpack_packer *p, struct bridge_text t)
{
    return t.bytes ? !msgpack_pack_bin(p, t.length) && !msgpack_pack_bin_body(p, t.bytes, t.length)
                   : !msgpack_pack_nil(p);
}

static bool put_name(msgpack_packer *p, const char *name) { return put_text(p, name, strlen(name)); }

/* An entry whose value is text; nothing if there is none. */
static bool put_entry(msgpack_packer *p, const char *name, const char *text)
{
    return !text || !*text || (put_name(p, name) && put_name(p, text));
}

static bool put_number(msgpack_packer *p, const char *name, bool has, uint64_t number)
{
    return !has || (put_name(p, name) && !msgpack_pack_uint64(p, number));
}

static bool put_headers(msgpack_packer *p, const struct bridge_header *headers, size_t count)
{
    bool good = !count || (put_name(p, "headers") && !msgpack_pack_array(p, count));
    for (size_t i = 0; good && i < count; i++)
        good = !msgpack_pack_array(p, 2) && put_text(p, headers[i].name.bytes, headers[i].name.length) &&
               put_bytes(p, headers[i].value);
    return good;
}

/* Headers come last but for the id, which is short: what a reader looks for most stands in front. */
static size_t pack(const struct bridge_envelope *e, struct bridge_text key, size_t headers, struct room r)
{
    msgpack_packer p;
    msgpack_packer_init(&p, &r, write_bytes);
    bool where = e->where && *e->where;
    size_t entries =
        1 + where + (e->partition >= 0) + (e->timestamp_ns > 0) + (key.bytes != NULL) + (*e->id != 0) + (headers > 0);
    bool good = !msgpack_pack_map(&p, entries) && put_entry(&p, "origin", e->origin) &&
                put_entry(&p, e->place, where ? e->where : NULL) &&
                put_number(&p, "partition", e->partition >= 0, (uint64_t)e->partition) &&
                put_number(&p, "timestamp", e->timestamp_ns, e->timestamp_ns) && put_entry(&p, "id", e->id) &&
                (!key.bytes || (put_name(&p, "key") && put_bytes(&p, key))) && put_headers(&p, e->headers, headers);
    return good ? r.used : 0;
}

size_t bridge_envelope_pack(struct bridge_envelope *e, void *bytes, size_t size)
{
    const struct room room = {bytes, 0, size};
    size_t n = pack(e, e->key, e->header_count, room);
    if (n)
        return n;
    e->cut = true;
    n = pack(e, e->key, 0, room);
    return n ? n : pack(e, (struct bridge_text){0}, 0, room);
}
