/* url.h - where a bridge goes to: scheme://host:port[,host:port...]/first[/second][?name=value&...] */
#ifndef CONVEYOR_BRIDGE_URL_H
#define CONVEYOR_BRIDGE_URL_H

#include <stdbool.h>
#include <stddef.h>

enum { BRIDGE_HOSTS_MAX = 16, BRIDGE_URL_MAX = 2048 };

struct bridge_url {
    char text[BRIDGE_URL_MAX]; /* what the members point into */
    const char *scheme;
    const char *host[BRIDGE_HOSTS_MAX]; /* "host:port", as given */
    int hosts;
    const char *path; /* without its first slash, up to a '?'; "" if there is none */
    const char *query;
};

/* False after a complaint if it is none, or not of this scheme. */
bool bridge_url_parse(struct bridge_url *url, const char *text, const char *scheme);

/* The value of a name in the query, copied into value; NULL if it is not there, or too long. */
const char *bridge_url_query(const struct bridge_url *url, const char *name, char *value, size_t size);

#endif
