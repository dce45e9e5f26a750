/* url.c - where a bridge goes to. */
#include "url.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static bool wrong(const char *text, const char *why)
{
    const char *at = strchr(text, '@'); /* what stands before it may be a password */
    cli_complain("'%s': %s; it must be SCHEME://HOST:PORT[,HOST:PORT...]/NAME", at ? at + 1 : text, why);
    return false;
}

static bool split_hosts(struct bridge_url *u, char *hosts, const char *text)
{
    for (char *save, *host = strtok_r(hosts, ",", &save); host; host = strtok_r(NULL, ",", &save)) {
        if (u->hosts == BRIDGE_HOSTS_MAX)
            return wrong(text, "it has more than 16 hosts");
        if (strchr(host, '@'))
            return wrong(text, "a name and password do not belong on a command line: use --credentials FILE");
        u->host[u->hosts++] = host;
    }
    return u->hosts || wrong(text, "it has no host");
}

bool bridge_url_parse(struct bridge_url *u, const char *text, const char *scheme)
{
    memset(u, 0, sizeof *u);
    if (snprintf(u->text, sizeof u->text, "%s", text) >= (int)sizeof u->text)
        return wrong(text, "it is too long");
    char *rest = strstr(u->text, "://");
    if (!rest)
        return wrong(text, "it is no URL");
    *rest = 0;
    u->scheme = u->text;
    if (strcmp(u->scheme, scheme))
        return wrong(text, "this bridge is for another scheme");
    char *hosts = rest + 3, *slash = strchr(hosts, '/'), *query = strchr(slash ? slash : hosts, '?');
    u->path = u->query = "";
    if (query) {
        *query = 0;
        u->query = query + 1;
    }
    if (slash) {
        *slash = 0;
        u->path = slash + 1;
    }
    return split_hosts(u, hosts, text);
}

const char *bridge_url_query(const struct bridge_url *u, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    for (const char *at = u->query; *at;) {
        size_t n = strcspn(at, "&");
        if (n > length && !strncmp(at, name, length) && at[length] == '=' && n - length - 1 < size) {
            memcpy(value, at + length + 1, n - length - 1);
            value[n - length - 1] = 0;
            return value;
        }
        at += n + (at[n] == '&');
    }
    return NULL;
}
