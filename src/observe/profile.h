// What `go tool pprof` asks of /debug/pprof/: profiles of CPU, allocations and heap, and names for
// addresses.
//
// The functions return the bytes of the answer; the administration server binds them to
// /debug/pprof/{profile,allocs,heap,symbol,cmdline}. Builds with a sanitizer have neither tcmalloc
// nor the profiler: there the profiles are kUnsupported, and say so.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::observe {

// Begins to sample allocations, one in 512 KiB on average: HeapProfile() sees those made after.
// Call it first in main(), before there are threads.
void EnableHeapSampling();

inline constexpr int kProfileSecondsMax = 300;

// Samples all threads for `seconds` (1 to kProfileSecondsMax), 100 times per second of CPU time.
// Blocks that long, so never on a loop; returns early when `cancelled` says so. kAlreadyExists:
// another profile is being taken.
base::Result<std::string> CpuProfile(int seconds, const std::function<bool()>& cancelled = {});

// What all threads allocate within `seconds`, freed or not, by stack: estimates of
// allocation_sampler.h, in pprof's columns alloc_space and alloc_objects. As CpuProfile() else.
base::Result<std::string> AllocationProfile(int seconds,
                                            const std::function<bool()>& cancelled = {});

// Live sampled allocations with their stacks. Does not block for long.
base::Result<std::string> HeapProfile();

// The body of a POST is "0x1234+0x5678…"; the answer has a line "0x1234 name" for each one known.
// An empty body (GET) is answered "num_symbols: 1": symbols can be had here.
std::string Symbols(std::string_view body);

// The command line, its arguments separated by NUL.
std::string CommandLine();

}  // namespace weir::observe
