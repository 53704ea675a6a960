// Names of functions by address, from the symbol tables of the program and its libraries. Unlike
// dladdr(3) it knows functions that are not exported, which in a program are nearly all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::observe {

// The names, demangled, in the order of `addresses`; empty where none is known. Reads the ELF files
// anew each time and keeps nothing: some milliseconds.
std::vector<std::string> SymbolNames(const std::vector<uintptr_t>& addresses);

}  // namespace weir::observe
