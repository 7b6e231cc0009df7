/* connect.h - what libesmtp does not offer for its socket: TCP_NODELAY, a limit on the wait for a
 * connection, and a way to cut it.
 *
 * libesmtp 1.1.0 leaves Nagle's algorithm on, which costs a delayed ACK of the peer (40 ms) a
 * message, waits for a connection as long as the kernel does (two minutes), and shows its
 * descriptor to nobody. It calls connect() through the dynamic linker, which prefers the
 * executable's own. connect.c is that one: in a thread that has called connect_begin() it sets the
 * options and waits with a limit; for every other caller it is the C library's. */
#ifndef LAZO_MAILER_CONNECT_H
#define LAZO_MAILER_CONNECT_H

/* connect_begin() - until connect_end(), sockets that this thread connects are made as above: at
 * most `wait_ms` for the connection, `dead_ms` without an acknowledgement of the peer before the
 * kernel gives it up. */
void connect_begin(int wait_ms, int dead_ms);
void connect_end(void);

#endif
