#include "journal/verify.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "journal/archive.h"
#include "journal/control_index.h"
#include "journal/frame.h"
#include "journal/key_index.h"
#include "journal/recovery.h"
#include "journal/run_format.h"
#include "journal/scan.h"
#include "journal/segment_set.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

class Verifier {
 public:
  Verifier(io::FileSystem& files, const std::string& directory,
           const std::optional<Expectation>& expectation)
      : files_(files), directory_(directory), expectation_(expectation) {}

  base::Result<Verification> Run();

 private:
  base::Status CheckManifest();
  base::Status CheckSegment(Offset first, bool newest);
  base::Status CheckFrames(const io::File& file, const SegmentHeader& header, bool newest);
  base::Status CheckOneFrame(const FrameHeader& header, std::string_view frame);
  void CheckBatch(const FrameHeader& header, std::string_view frame);
  void CheckIndexFrame(const FrameHeader& header, std::string_view frame);
  void ReadIndexedEnd();
  void CheckIndexDirectory();
  void CheckExpectation();
  void Find(uint64_t from, uint64_t to, Offset first, Offset end, std::string what,
            bool torn = false);

  io::FileSystem& files_;
  const std::string& directory_;
  const std::optional<Expectation>& expectation_;
  Verification result_;
  std::string file_;                                 // being read
  std::optional<Digest> chain_;                      // before the next batch; nullopt behind damage
  std::set<std::pair<uint64_t, uint32_t>> batches_;  // of this segment: first offset, sector
  std::optional<uint32_t> index_sector_;
  bool expectation_seen_ = false;
  Offset indexed_end_;  // the index beside the journal has seen so much of it
};

void Verifier::Find(uint64_t from, uint64_t to, Offset first, Offset end, std::string what,
                    bool torn) {
  ++result_.findings_total;
  if (result_.findings.size() >= Verification::kFindingsMax) return;
  result_.findings.push_back({file_, from, to, first, end, torn, std::move(what)});
}

void Verifier::CheckBatch(const FrameHeader& header, std::string_view frame) {
  const uint64_t from = header.position();
  const auto batch = DecodeBatch(header, frame);
  if (!batch) {
    Find(from, from + header.used_bytes(), header.first, header.end(), batch.error().message);
    chain_ = header.chain;
    return;
  }
  for (const RecordView& record : batch->records) {
    if (base::Sha256(record.body) != record.sha256) {
      Find(from, from + header.used_bytes(), record.offset, record.offset + 1,
           "a body is not what its SHA-256 says");
    }
    if (expectation_ && record.offset == expectation_->offset) {
      expectation_seen_ = true;
      if (record.sha256 != expectation_->sha256) {
        Find(from, from + header.used_bytes(), record.offset, record.offset + 1,
             "the record has another SHA-256 than the one expected");
      }
    }
  }
  const std::string_view table = frame.substr(kFrameHeaderBytes, header.table_bytes());
  if (chain_ && NextChain(*chain_, header, table, batch->heads()) != header.chain) {
    Find(from, from + header.used_bytes(), header.first, header.end(),
         "the hash chain does not continue here: records were removed, reordered or changed");
  }
  chain_ = header.chain;
  batches_.insert({header.first.value(), header.sector});
  ++result_.batches;
  result_.records += header.count;
}

void Verifier::CheckIndexFrame(const FrameHeader& header, std::string_view frame) {
  index_sector_ = header.sector;
  const auto index = DecodeIndex(header, frame);
  const bool right = index && std::all_of(index->begin(), index->end(), [&](const IndexEntry& e) {
                       return batches_.contains({e.first.value(), e.sector});
                     });
  if (!right) {
    Find(header.position(), header.position() + header.used_bytes(), header.first, header.first,
         "the segment's index names places where no batch begins");
  }
}

base::Status Verifier::CheckOneFrame(const FrameHeader& header, std::string_view frame) {
  const uint64_t from = header.position();
  if (!AllZero(frame.substr(header.used_bytes()))) {
    Find(from + header.used_bytes(), from + header.frame_bytes(), header.first, header.first,
         "the padding of a frame is not zero");
  }
  switch (header.type) {
    case FrameType::kBatch:
      CheckBatch(header, frame);
      break;
    case FrameType::kIndex:
      CheckIndexFrame(header, frame);
      break;
    case FrameType::kFooter:
      if (index_sector_ && header.index_sector != *index_sector_) {
        Find(from, from + header.used_bytes(), header.first, header.first,
             "the footer names another place for the index");
      }
      break;
    case FrameType::kSeal:
      break;
  }
  return {};
}

base::Status Verifier::CheckFrames(const io::File& file, const SegmentHeader& header, bool newest) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  const auto visit = [this](const FrameHeader& frame_header, std::string_view frame) {
    return CheckOneFrame(frame_header, frame);
  };
  ScanStart start{header, kSegmentHeaderBytes, header.first, header.chain};
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const SegmentScan scan, ScanSegmentFrom(file, start, visit));
    result_.end = scan.end;
    result_.chain = scan.chain;
    result_.sealed = scan.closed || scan.sealed;
    const TailEvidence evidence{newest, scan.closed, size >= header.segment_bytes, scan.rest,
                                false};
    const TailDecision decision = DecideTail(evidence);
    if (decision == TailDecision::kEnd) {
      if (scan.position < size && scan.closed) {
        Find(scan.position, size, scan.end, scan.end, "there is unused space behind the footer");
      }
      return {};
    }
    WEIR_ASSIGN_OR_RETURN(const std::optional<FrameHeader> next,
                          FindFrame(file, scan.position + kSectorBytes));
    const bool torn = decision == TailDecision::kTorn;
    std::string what = scan.damage;
    if (what.empty()) what = newest ? "the file is shorter than it was made" : "it has no footer";
    if (torn || !next) {
      Find(scan.position, std::max(scan.rest_end, scan.position + 1), scan.end, scan.end,
           what + (torn ? "; nothing shows that it was ever durable" : "; nothing whole follows"),
           torn);
      result_.sealed = false;
      chain_.reset();
      return {};
    }
    Find(scan.position, next->position(), scan.end, std::max(scan.end, next->first), what);
    chain_.reset();
    start = {header, next->position(), next->first, next->chain};
  }
}

base::Status Verifier::CheckSegment(Offset first, bool newest) {
  file_ = SegmentName(first);
  batches_.clear();
  index_sector_.reset();
  WEIR_ASSIGN_OR_RETURN(const auto file,
                        files_.Open(io::JoinPath(directory_, file_), io::OpenMode::kRead));
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  ++result_.segments;
  result_.bytes += size;
  std::string sector(kSegmentHeaderBytes, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, sector));
  auto header = DecodeSegmentHeader({sector.data(), got});
  if (!header) {
    Find(0, kSegmentHeaderBytes, first, first, header.error().message);
    header = SegmentHeader{size, size, first, 0, {}};
    chain_.reset();
  } else {
    if (header->first != first || first != result_.end) {
      Find(0, kSegmentHeaderBytes, std::min(first, result_.end), std::max(first, result_.end),
           "the segment begins with offset " + std::to_string(header->first.value()) +
               " where the one before ends at " + std::to_string(result_.end.value()));
    } else if (chain_ && *chain_ != header->chain) {
      Find(0, kSegmentHeaderBytes, first, first, "the hash chain does not continue here");
    }
    chain_ = header->chain;
  }
  return CheckFrames(*file, *header, newest);
}

base::Status Verifier::CheckManifest() {
  file_ = kManifestName;
  const auto manifest = ReadManifest(files_, directory_);
  if (!manifest) {
    if (manifest.error().code != ErrorCode::kCorruption) return base::Fail(manifest.error());
    Find(0, 0, Offset(), Offset(), manifest.error().message);
    return {};
  }
  result_.begin = result_.end = manifest->end();
  if (!manifest->segments.empty()) chain_ = manifest->segments.back().chain_after;
  for (const ArchivedSegment& archived : manifest->segments) {
    // In the journal's own directory they are elsewhere; in an archive they are here.
    const std::string name = SegmentName(archived.first);
    const std::string path = io::JoinPath(directory_, name);
    WEIR_ASSIGN_OR_RETURN(const bool here, files_.Exists(path));
    if (!here) continue;
    WEIR_ASSIGN_OR_RETURN(const auto file, files_.Open(path, io::OpenMode::kRead));
    WEIR_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    FileWindow window(*file, size);
    uint32_t crc = 0;
    constexpr size_t kPieceBytes = 1u << 20;
    for (uint64_t at = 0; at < size; at += kPieceBytes) {
      WEIR_ASSIGN_OR_RETURN(const std::string_view piece, window.View(at, kPieceBytes));
      crc = base::ExtendCrc32c(crc, piece);
    }
    if (size != archived.bytes || crc != archived.crc32c) {
      file_ = name;
      Find(0, size, archived.first, archived.end, "the file is not the one that was archived");
      file_ = kManifestName;
    }
    if (archived.first < result_.begin) {
      result_.begin = result_.end = archived.first;
      chain_ = archived.chain_before;
    }
  }
  return {};
}

// Before the segments are read: only what is durable is indexed, so all of it is found in them.
void Verifier::ReadIndexedEnd() {
  const std::string directory = io::JoinPath(directory_, "index");
  const auto names = files_.List(directory);
  if (!names) return;
  indexed_end_ = CheckpointedEnd(files_, directory);
  for (const std::string& name : *names) {
    if (const auto range = ParseRunName(name)) indexed_end_ = std::max(indexed_end_, range->end);
  }
}

void Verifier::CheckIndexDirectory() {
  file_ = "index";
  if (indexed_end_ > result_.end) {
    Find(0, 0, result_.end, indexed_end_, "the index knows these records; the segments lack them");
  }
  const auto entries = VerifyRuns(files_, io::JoinPath(directory_, "index"));
  if (!entries) Find(0, 0, Offset(), Offset(), entries.error().message);
}

void Verifier::CheckExpectation() {
  if (!expectation_ || expectation_seen_) return;
  const Offset offset = expectation_->offset;
  file_ = "journal";
  std::string what = "the record that was expected is not here: ";
  if (offset < result_.begin) {
    what += "offsets below " + std::to_string(result_.begin.value()) + " were archived";
  } else if (offset >= result_.end) {
    what += "the journal ends before offset " + std::to_string(result_.end.value());
  } else {
    what += "it is in a damaged part";
  }
  Find(0, 0, offset, offset + 1, std::move(what));
}

base::Result<Verification> Verifier::Run() {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  ReadIndexedEnd();
  WEIR_RETURN_IF_ERROR(CheckManifest());
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    const auto first = ParseSegmentName(name);
    if (first && *first >= result_.begin) firsts.push_back(*first);
  }
  if (firsts.empty()) {
    file_ = directory_;
    Find(0, 0, Offset(), Offset(),
         "there is no segment of a journal here (it stands in DataDir/journal)");
  }
  for (size_t i = 0; i < firsts.size(); ++i) {
    WEIR_RETURN_IF_ERROR(CheckSegment(firsts[i], i + 1 == firsts.size()));
  }
  CheckIndexDirectory();
  CheckExpectation();
  return std::move(result_);
}

}  // namespace

base::Result<Expectation> ParseExpectation(std::string_view text) {
  const auto wrong = [] {
    return base::Fail(ErrorCode::kInvalidArgument,
                      "give OFFSET:SHA256, a decimal number and 64 hexadecimal digits");
  };
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong();
  uint64_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, offset);
  Expectation expectation;
  if (colon == 0 || error != std::errc() || end != text.data() + colon ||
      !base::FromHex(text.substr(colon + 1), expectation.sha256.bytes)) {
    return wrong();
  }
  expectation.offset = Offset(offset);
  return expectation;
}

std::string ToString(const Finding& finding) {
  std::string text = finding.file;
  if (finding.to_byte > finding.from_byte) {
    text += ", bytes " + std::to_string(finding.from_byte) + " to " +
            std::to_string(finding.to_byte - 1);
  }
  if (finding.end > finding.first) {
    text += ", offsets " + std::to_string(finding.first.value()) + " to " +
            std::to_string(finding.end.value() - 1);
  }
  return text + (finding.torn ? ", torn: " : ": ") + finding.what;
}

base::Result<Verification> Verify(io::FileSystem& files, const std::string& directory,
                                  const std::optional<Expectation>& expectation) {
  return Verifier(files, directory, expectation).Run();
}

}  // namespace weir::journal
