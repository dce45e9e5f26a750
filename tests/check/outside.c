/* outside.c - a program outside the source tree, built with what pkg-config says: a record goes in and comes out. */
#include <conveyor/buffer.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char name[64];
    struct cvb_handle *h;
    struct cvb_lease lease;
    uint32_t stage, source;
    snprintf(name, sizeof name, "conveyor-test-outside");
    cvb_unlink(name);
    int error = cvb_create(name, NULL);
    if (error || (error = cvb_attach(name, &h)) || (error = cvb_stage(h, "filter", &stage)) ||
        (error = cvb_source(h, "kafka-1", &source))) {
        printf("%s\n", cvb_error_text(error));
        return 1;
    }
    struct cvb_record record;
    memset(&record, 0, sizeof record); /* this file is compiled as C++, too */
    record.payload = "hello";
    record.length = 5;
    record.source = source;
    int good = !cvb_buffer_for_stage(h, stage, &record) && cvb_get_batch(h, stage, &lease, 1) == 1 &&
               lease.length == 5 && !memcmp(lease.payload, "hello", 5) && !cvb_ack(h, &lease, 1);
    good = !cvb_detach(h) && !cvb_unlink(name) && good;
    printf("%s\n", good ? "installed and working" : "not working");
    return !good;
}
