// What the floors share: their arguments, their sockets and their threads. Nothing of it runs for a
// request.
#pragma once

#include <functional>
#include <string>

namespace weir::bench {

// One thread's loop, which never returns; the listener is non-blocking.
using FloorLoop = std::function<void(int listener)>;

// The main() of a floor: [--port P] [--threads N] [--answer FILE]. FILE holds the bytes of an
// HTTP/1.1 answer; without it there is one with a receipt like the server's. `loop_for` is called
// once with the answer, which lives as long as the program; each thread runs what it returned, with
// a listening socket of its own (SO_REUSEPORT).
int RunFloor(int argc, char** argv, const std::function<FloorLoop(const std::string&)>& loop_for);

// A connection, non-blocking and without delay; -1: none waits.
int AcceptOne(int listener);

}  // namespace weir::bench
