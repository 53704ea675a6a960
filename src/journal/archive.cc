#include "journal/archive.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/number.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

constexpr std::string_view kFirstLine = "weir archive 1\n";
constexpr uint64_t kManifestBytesMax = 256u << 20;  // a million segments

tl::unexpected<base::Error> Corrupt(const std::string& what) {
  return base::Fail(ErrorCode::kCorruption, std::string(kManifestName) + ": " + what);
}

// Cuts the text up to `separator` off the front of `rest`.
std::string_view Cut(std::string_view& rest, char separator) {
  const size_t at = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

bool ParseNumber(std::string_view text, uint64_t* value) {
  const auto number = base::ParseNumber<uint64_t>(text);
  *value = number.value_or(0);
  return number.has_value();
}

bool ParseLine(std::string_view line, ArchivedSegment* segment) {
  uint64_t first = 0;
  uint64_t end = 0;
  uint64_t crc = 0;
  const bool ok = ParseNumber(Cut(line, ' '), &first) && ParseNumber(Cut(line, ' '), &end) &&
                  ParseNumber(Cut(line, ' '), &segment->bytes) &&
                  base::FromHex(Cut(line, ' '), segment->chain_before.bytes) &&
                  base::FromHex(Cut(line, ' '), segment->chain_after.bytes) &&
                  ParseNumber(Cut(line, ' '), &crc) && crc <= UINT32_MAX && line.empty();
  segment->crc32c = static_cast<uint32_t>(crc);
  segment->first = Offset(first);
  segment->end = Offset(end);
  return ok;
}

base::Status WriteManifest(io::FileSystem& files, const std::string& directory,
                           const Manifest& manifest) {
  return io::ReplaceWhole(files, directory, kManifestName, EncodeManifest(manifest));
}

// Adds the segment to the directory's manifest, unless it is its last already.
base::Status List(io::FileSystem& files, const std::string& directory,
                  const ArchivedSegment& segment, bool gaps_allowed) {
  WEIR_ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(files, directory));
  auto& segments = manifest.segments;
  if (!segments.empty() && segments.back().first == segment.first) return {};
  if (!segments.empty() && segments.back().end != segment.first) {
    if (!gaps_allowed) return Corrupt("it does not end where the oldest segment begins");
    return base::Fail(ErrorCode::kConflict, directory + " holds an archive that ends at offset " +
                                                std::to_string(segments.back().end.value()) +
                                                ", not at " +
                                                std::to_string(segment.first.value()));
  }
  segments.push_back(segment);
  return WriteManifest(files, directory, manifest);
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  std::string text(kFirstLine);
  for (const ArchivedSegment& segment : manifest.segments) {
    text += std::to_string(segment.first.value()) + ' ' + std::to_string(segment.end.value()) +
            ' ' + std::to_string(segment.bytes) + ' ' + segment.chain_before.hex() + ' ' +
            segment.chain_after.hex() + ' ' + std::to_string(segment.crc32c) + '\n';
  }
  return text + "sha256 " + base::Sha256(text).hex() + '\n';
}

base::Result<Manifest> DecodeManifest(std::string_view text) {
  constexpr size_t kLastLine = 7 + 64 + 1;
  if (text.size() < kFirstLine.size() + kLastLine || !text.starts_with(kFirstLine)) {
    return Corrupt("the first line or the last is missing");
  }
  const std::string_view listed = text.substr(0, text.size() - kLastLine);
  if (text.substr(listed.size()) != "sha256 " + base::Sha256(listed).hex() + "\n") {
    return Corrupt("its SHA-256 does not match");
  }
  Manifest manifest;
  for (std::string_view rest = listed.substr(kFirstLine.size()); !rest.empty();) {
    ArchivedSegment segment;
    if (!ParseLine(Cut(rest, '\n'), &segment)) return Corrupt("a line is malformed");
    const auto& before = manifest.segments;
    if (segment.end < segment.first ||
        (!before.empty() && (before.back().end != segment.first ||
                             before.back().chain_after != segment.chain_before))) {
      return Corrupt("segments do not follow one another at offset " +
                     std::to_string(segment.first.value()));
    }
    manifest.segments.push_back(segment);
  }
  return manifest;
}

base::Result<Manifest> ReadManifest(io::FileSystem& files, const std::string& directory) {
  const auto text = io::ReadWhole(files, io::JoinPath(directory, kManifestName), kManifestBytesMax);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return Manifest{};
    return base::Fail(text.error());
  }
  return DecodeManifest(*text);
}

base::Result<ArchivedSegment> ArchiveSegment(io::FileSystem& files, const std::string& directory,
                                             Offset first, const std::string& to_directory) {
  const std::string name = SegmentName(first);
  const std::string path = io::JoinPath(directory, name);
  ArchivedSegment archived;
  {
    WEIR_ASSIGN_OR_RETURN(const auto file, files.Open(path, io::OpenMode::kRead));
    std::string sector(kSegmentHeaderBytes, '\0');
    WEIR_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, sector));
    WEIR_ASSIGN_OR_RETURN(const SegmentHeader header, DecodeSegmentHeader({sector.data(), got}));
    WEIR_ASSIGN_OR_RETURN(const SegmentEnd end, ReadSegmentEnd(*file));
    archived = {header.first, end.footer.first, 0, header.chain, end.footer.chain, 0};
  }
  WEIR_RETURN_IF_ERROR(files.MakeDirectories(to_directory));
  WEIR_ASSIGN_OR_RETURN(const io::CopiedFile copied,
                        io::CopyWhole(files, path, to_directory, name));
  archived.bytes = copied.bytes;
  archived.crc32c = copied.crc32c;
  WEIR_RETURN_IF_ERROR(List(files, to_directory, archived, true));
  WEIR_RETURN_IF_ERROR(List(files, directory, archived, false));
  WEIR_RETURN_IF_ERROR(files.Remove(path));
  WEIR_RETURN_IF_ERROR(files.SyncDirectory(directory));
  return archived;
}

}  // namespace weir::journal
