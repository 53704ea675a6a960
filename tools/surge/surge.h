// `weir surge`: plays patients who send their reports, and checks what became of each of them.
//
// Reports are unique, some are sent twice with the same bytes, some are urgent. Which is which is a
// function of a report's index and the seed, so that a run needs 23 bytes of memory per report and
// any report can be made again to compare it. Latency counts from when a request was due, not from
// when it could be sent: a server that stalls is charged for all who waited meanwhile.
#pragma once

namespace weir::surge {

// `argv[0]` names the command in the help text ("weir surge"); the rest are its arguments. Prints
// to stdout, errors and the progress bar to stderr. Returns 0: done, and with --verify everything
// acknowledged was found as it was sent. 1: something failed or is not as it should be; what, was
// printed. 2: wrong usage. One call per process at a time: it handles SIGINT while it runs.
int RunSurge(int argc, const char* const* argv);

}  // namespace weir::surge
