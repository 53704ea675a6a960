// The bytes of a run file, without the file: docs/formats/index.md. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "journal/filter.h"
#include "journal/key_entry.h"

namespace weir::journal {

constexpr size_t kRunBlockBytes = 8192;
constexpr size_t kRunBlockHeaderBytes = 16;
constexpr size_t kRunBlockEntriesMax =
    (kRunBlockBytes - kRunBlockHeaderBytes) / sizeof(KeyEntry);  // 146
constexpr size_t kRunFooterBytes = 128;
constexpr size_t kRunSectionHeaderBytes = 8;

// The journal's range that a run holds, and the journal's chain value at its end.
struct RunRange {
  Offset begin;
  Offset end;
  Digest chain;
};

// "0000000000000000-0000000000020000.run": begin and end.
std::string RunName(const RunRange& range);
// begin and end of a run's name, without the chain.
std::optional<RunRange> ParseRunName(std::string_view name);

// Immutable. What memory holds of a slice of a run.
struct Slice {
  Key first;
  Key last;
  uint32_t block_begin = 0;
  uint64_t entries = 0;
  KeyFilter filter;
  std::vector<uint32_t> fences;  // of each block's first key, see Fence()

  size_t memory_bytes() const;
};

// The first four bytes as a number that orders keys as their bytes do.
inline uint32_t Fence(const Key& key) { return static_cast<uint32_t>(KeyPrefix(key) >> 32); }

// Block `number` with these entries, at most kRunBlockEntriesMax: kRunBlockBytes more bytes.
void AppendBlock(std::string& out, uint32_t number, std::span<const KeyEntry> entries);
// Whether these kRunBlockBytes are what AppendBlock() made as block `number`.
bool BlockIsSound(const char* block, uint32_t number);
// The entries of a sound block, which stands in memory where an integer may stand.
std::span<const KeyEntry> BlockEntries(const char* block);

// A slice's section of the file, with its header of kRunSectionHeaderBytes: size and checksum.
std::string SectionBytes(const Slice& slice);
// `header` and `body` as read; kCorruption says what is wrong.
uint32_t SectionBodySize(std::string_view header);
base::Result<std::shared_ptr<const Slice>> ParseSection(std::string_view header,
                                                        std::string_view body);

struct RunFooter {
  RunRange range;
  uint64_t entries = 0;
  uint64_t sections_bytes = 0;
  uint32_t blocks = 0;
  uint32_t slices = 0;
  uint32_t sections_crc = 0;  // over the headers of all sections
};
std::string FooterBytes(const RunFooter& footer);
// Of exactly kRunFooterBytes. nullopt: fails its checksum, or is no footer of this version.
std::optional<RunFooter> ParseFooter(std::string_view bytes);

}  // namespace weir::journal
