// Segments that left the journal: moved to an archive with a manifest that carries the chain.
//
// `archive.manifest` stands in the journal's directory (what has left it, and where the chain
// stood) and in each archive (what came in). It is text, docs/formats/journal.md describes it, and
// ends with its own SHA-256.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/format.h"
#include "journal/segment_set.h"

namespace weir::journal {

constexpr const char* kManifestName = "archive.manifest";

struct ArchivedSegment {
  Offset first;
  Offset end;
  uint64_t bytes = 0;
  Digest chain_before;
  Digest chain_after;
  uint32_t crc32c = 0;  // of the file
};

struct Manifest {
  std::vector<ArchivedSegment> segments;  // in order, without gaps
  Offset end() const { return segments.empty() ? Offset() : segments.back().end; }
};

std::string EncodeManifest(const Manifest& manifest);
base::Result<Manifest> DecodeManifest(std::string_view text);
// An empty one where the file is missing.
base::Result<Manifest> ReadManifest(io::FileSystem& files, const std::string& directory);

// Copies one closed segment to `to_directory`, durably and listed in its manifest, lists it in the
// journal's own manifest, and removes it from the journal's directory. A crash at any instant
// leaves it in at least one of them, and the call may be repeated.
base::Result<ArchivedSegment> ArchiveSegment(io::FileSystem& files, const std::string& directory,
                                             Offset first, const std::string& to_directory);

}  // namespace weir::journal
