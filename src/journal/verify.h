// Reads every byte of a journal and checks all that can be checked: every checksum, the SHA-256 of
// every body, the hash chain, the density of offsets, padding and unused space, each segment's
// index and footer, how segments follow one another and the archive's manifest, and the dedupe
// index.
//
// Nothing is changed and no lock is taken; on a journal that is being written the last group may be
// reported as torn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/record.h"

namespace weir::journal {

struct Expectation {
  Offset offset;
  Digest sha256;
};
// "OFFSET:SHA256", as any receipt has them.
base::Result<Expectation> ParseExpectation(std::string_view text);

struct Finding {
  std::string file;  // a name in the journal's directory
  uint64_t from_byte = 0;
  uint64_t to_byte = 0;  // exclusive
  Offset first;
  Offset end;         // exclusive; equal to first where no record is concerned
  bool torn = false;  // an interrupted write at the end: the next start cuts it off
  std::string what;
};
// "00000000000000000000.seg, bytes 512 to 1535, offsets 0 to 4: a frame …"
std::string ToString(const Finding& finding);

struct Verification {
  static constexpr size_t kFindingsMax = 1000;

  uint64_t segments = 0;
  uint64_t batches = 0;
  uint64_t records = 0;
  uint64_t bytes = 0;
  Offset begin;
  Offset end;
  Digest chain;
  bool sealed = false;
  std::vector<Finding> findings;  // at most kFindingsMax, the first ones
  uint64_t findings_total = 0;

  bool ok() const { return findings_total == 0; }
};

// An error only where the directory cannot be read; what is wrong with its content is a finding.
base::Result<Verification> Verify(io::FileSystem& files, const std::string& directory,
                                  const std::optional<Expectation>& expectation);

}  // namespace weir::journal
