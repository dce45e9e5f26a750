/* input.c - reads the package index and finds its stanzas: blocks of text up to an empty line. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

/* The end of the stanza that starts at `at`: behind the newline of its last line. */
static const char *stanza_end(const char *at, const char *end)
{
    while (at < end && *at != '\n') {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return at;
}

static int add(struct job_input *input, uint32_t *room, uint64_t offset, uint32_t length)
{
    if (input->count == *room) {
        *room = *room ? *room * 2 : 65536;
        void *larger = realloc(input->stanzas, *room * sizeof *input->stanzas);
        if (!larger)
            return -1;
        input->stanzas = larger;
    }
    input->stanzas[input->count++] = (struct job_stanza){offset, length};
    if (length > input->longest)
        input->longest = length;
    return 0;
}

static int split(struct job_input *input)
{
    const char *at = input->text, *end = at + input->bytes;
    uint32_t room = 0;
    while (at < end) {
        if (*at == '\n') {
            at++;
            continue;
        }
        const char *stop = stanza_end(at, end);
        if (add(input, &room, (uint64_t)(at - input->text), (uint32_t)(stop - at)))
            return -1;
        at = stop;
    }
    return 0;
}

int job_input_read(const char *path, struct job_input *input)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    void *text = MAP_FAILED;
    if (!fstat(fd, &st) && st.st_size > 0)
        text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (text == MAP_FAILED)
        return -1;
    *input = (struct job_input){.text = text, .bytes = (uint64_t)st.st_size};
    return split(input);
}
