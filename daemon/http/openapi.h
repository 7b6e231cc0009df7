/* openapi.h - openapi.yaml, embedded at build. */
#ifndef LAZO_DAEMON_HTTP_OPENAPI_H
#define LAZO_DAEMON_HTTP_OPENAPI_H

extern const char openapi_yaml[];

#endif
