#include "journal/recovery.h"

#include <algorithm>

#include "base/check.h"
#include "journal/reserve.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

std::string Range(Offset from, Offset to_exclusive) {
  return "offsets " + std::to_string(from.value()) + " to " +
         std::to_string(to_exclusive.value() - 1);
}

class Recoverer {
 public:
  Recoverer(io::FileSystem& files, const std::string& directory, const std::vector<Reach>& reaches,
            bool repair)
      : files_(files), directory_(directory), reaches_(reaches), repair_(repair) {}

  base::Result<Recovered> Run();

 private:
  base::Status RemoveLeftovers(const std::vector<std::string>& names, Offset archived_end);
  base::Status CheckClosed(Offset first);
  base::Status FindFooter(Offset first, const io::File& file, FrameHeader* footer);
  base::Status CheckNewest(Offset first);
  base::Status CheckReaches();
  // kCorruption, after a copy of the file was kept.
  tl::unexpected<base::Error> Damaged(Offset segment, const std::string& what);
  base::Status CutTorn(const SegmentScan& scan, Offset first, io::File& file);
  base::Result<SegmentScan> ScanNewest(io::File& file);
  std::string PathOf(Offset first) const { return io::JoinPath(directory_, SegmentName(first)); }

  io::FileSystem& files_;
  const std::string& directory_;
  const std::vector<Reach>& reaches_;
  const bool repair_;
  Recovered result_;
};

tl::unexpected<base::Error> Recoverer::Damaged(Offset segment, const std::string& what) {
  const std::string name = SegmentName(segment);
  std::string message = name + ": " + what;
  if (repair_) {
    const std::string copy = name + ".damaged";
    const auto exists = files_.Exists(io::JoinPath(directory_, copy));
    if (exists && *exists) {
      message += "; an earlier copy of it is kept as " + copy;
    } else if (const auto kept = io::CopyWhole(files_, PathOf(segment), directory_, copy)) {
      message += "; a copy of it is kept as " + copy;
    } else {
      message += "; it could not be copied aside (" + kept.error().message + ")";
    }
  }
  return base::Fail(ErrorCode::kCorruption, std::move(message));
}

base::Status Recoverer::RemoveLeftovers(const std::vector<std::string>& names,
                                        Offset archived_end) {
  bool removed = false;
  for (const std::string& name : names) {
    // A segment that is listed as archived is one whose removal was interrupted.
    const auto first = ParseSegmentName(name);
    const bool archived = first && *first < archived_end;
    if (name != Reserve::kName && !name.ends_with(".new") && !archived) continue;
    WEIR_RETURN_IF_ERROR(files_.Remove(io::JoinPath(directory_, name)));
    removed = true;
  }
  return removed ? files_.SyncDirectory(directory_) : base::Status{};
}

base::Status Recoverer::CheckClosed(Offset first) {
  WEIR_ASSIGN_OR_RETURN(const auto file, files_.Open(PathOf(first), io::OpenMode::kRead));
  std::string sector(kSegmentHeaderBytes, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, sector));
  const auto header = DecodeSegmentHeader({sector.data(), got});
  if (!header) return Damaged(first, header.error().message);
  auto end = ReadSegmentEnd(*file);
  FrameHeader footer;
  if (end) {
    footer = end->footer;
  } else if (end.error().code == ErrorCode::kCorruption) {
    WEIR_RETURN_IF_ERROR(FindFooter(first, *file, &footer));
  } else {
    return base::Fail(end.error());
  }
  if (header->first != first || first != result_.end || footer.first < first ||
      header->chain != result_.chain) {
    return Damaged(first, "it does not follow the segment before it, which ends at offset " +
                              std::to_string(result_.end.value()));
  }
  result_.closed.push_back({{first, footer.first, footer.next_position(), true}, *header});
  result_.end = footer.first;
  result_.chain = footer.chain;
  return {};
}

// A segment may be longer than it is used if the machine failed while the rest was given back.
base::Status Recoverer::FindFooter(Offset first, const io::File& file, FrameHeader* footer) {
  WEIR_ASSIGN_OR_RETURN(const SegmentScan scan,
                        ScanSegment(file, [&](const FrameHeader& header, std::string_view) {
                          *footer = header;
                          return base::Status{};
                        }));
  if (DecideTail({false, scan.closed, true, scan.rest, false}) != TailDecision::kEnd) {
    return Damaged(first, (scan.damage.empty() ? "it has no footer" : scan.damage) + ", at byte " +
                              std::to_string(scan.position) +
                              ", though a later segment exists; offsets " +
                              std::to_string(scan.end.value()) + " and later");
  }
  if (!repair_) return {};
  WEIR_ASSIGN_OR_RETURN(const auto writable, files_.Open(PathOf(first), io::OpenMode::kReadWrite));
  WEIR_RETURN_IF_ERROR(writable->Truncate(scan.position));
  return writable->SyncData();
}

base::Status Recoverer::CutTorn(const SegmentScan& scan, Offset first, io::File& file) {
  const uint64_t bytes = scan.rest_end - scan.position;
  std::string torn(bytes, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(scan.position, torn));
  torn.resize(got);
  std::string name;
  for (uint32_t n = 1;; ++n) {
    name = SegmentName(first) + "." + std::to_string(n) + ".torn";
    WEIR_ASSIGN_OR_RETURN(const bool taken, files_.Exists(io::JoinPath(directory_, name)));
    if (!taken) break;
  }
  WEIR_RETURN_IF_ERROR(io::ReplaceWhole(files_, directory_, name, torn));
  result_.torn_file = name;
  const std::string zeros(bytes, '\0');
  WEIR_RETURN_IF_ERROR(file.WriteAt(scan.position, zeros));
  return file.SyncData();
}

base::Result<SegmentScan> Recoverer::ScanNewest(io::File& file) {
  const auto no_visit = [](const FrameHeader&, std::string_view) -> base::Status { return {}; };
  if (!repair_) return ScanSegment(file, no_visit);
  // Only the last group can be in memory alone, for all before it had been synced when it was
  // written. Writing it again would be simpler, but would put what may be durable at risk.
  WEIR_RETURN_IF_ERROR(file.SyncData());
  WEIR_ASSIGN_OR_RETURN(SegmentScan scan, ScanSegment(file, no_visit));
  std::string before(scan.position - scan.group_position, '\0');
  std::string after(before.size(), '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t had, file.ReadAt(scan.group_position, before));
  WEIR_RETURN_IF_ERROR(file.ForgetCached(scan.group_position, before.size()));
  WEIR_ASSIGN_OR_RETURN(const size_t has, file.ReadAt(scan.group_position, after));
  if (had == has && before == after) return scan;
  return ScanSegment(file, no_visit);
}

base::Status Recoverer::CheckNewest(Offset first) {
  const auto mode = repair_ ? io::OpenMode::kReadWrite : io::OpenMode::kRead;
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<io::File> file, files_.Open(PathOf(first), mode));
  auto scanned = ScanNewest(*file);
  if (!scanned) {
    if (scanned.error().code != ErrorCode::kCorruption) return base::Fail(scanned.error());
    return Damaged(first, scanned.error().message);
  }
  SegmentScan& scan = *scanned;
  if (scan.header.first != first || first != result_.end || scan.header.chain != result_.chain) {
    return Damaged(first, "it does not follow the segment before it, which ends at offset " +
                              std::to_string(result_.end.value()));
  }
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  TailEvidence evidence{true, scan.closed, size >= scan.header.segment_bytes, scan.rest, false};
  Offset reached = scan.end;
  for (const Reach& reach : reaches_) reached = std::max(reached, reach.end);
  evidence.reached = reached > scan.end;
  switch (DecideTail(evidence)) {
    case TailDecision::kEnd:
    case TailDecision::kMissing:  // CheckReaches() says by whom they are known
      break;
    case TailDecision::kTorn: {
      result_.torn_bytes = scan.rest_end - scan.position;
      if (repair_) WEIR_RETURN_IF_ERROR(CutTorn(scan, first, *file));
      break;
    }
    case TailDecision::kDamaged: {
      std::string what = scan.damage.empty()
                             ? "the file is shorter than it was made: " + std::to_string(size) +
                                   " bytes of " + std::to_string(scan.header.segment_bytes)
                             : scan.damage;
      what += ", at bytes " + std::to_string(scan.position) + " to " +
              std::to_string(std::max(scan.rest_end, scan.position + 1) - 1);
      what += reached > scan.end ? ", " + Range(scan.end, reached)
                                 : ", offsets " + std::to_string(scan.end.value()) + " and later";
      return Damaged(first, what);
    }
  }
  result_.end = scan.end;
  result_.chain = scan.chain;
  result_.sealed = scan.closed || (scan.sealed && scan.rest == Rest::kZeros);
  WEIR_RETURN_IF_ERROR(CheckReaches());
  if (scan.closed) {
    if (repair_ && size > scan.position) {
      WEIR_RETURN_IF_ERROR(file->Truncate(scan.position));
      WEIR_RETURN_IF_ERROR(file->SyncData());
    }
    result_.closed.push_back({{first, scan.end, scan.position, true}, scan.header});
    return {};
  }
  result_.newest = std::move(scan);
  result_.newest_file = std::move(file);
  return {};
}

base::Status Recoverer::CheckReaches() {
  for (const Reach& reach : reaches_) {
    if (reach.end <= result_.end) continue;
    return base::Fail(ErrorCode::kCorruption, "the journal ends before offset " +
                                                  std::to_string(result_.end.value()) + ", but " +
                                                  reach.by + " has seen it up to " +
                                                  std::to_string(reach.end.value()) + ": " +
                                                  Range(result_.end, reach.end) + " are missing");
  }
  return {};
}

base::Result<Recovered> Recoverer::Run() {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  WEIR_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(files_, directory_));
  if (repair_) WEIR_RETURN_IF_ERROR(RemoveLeftovers(names, manifest.end()));
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    const auto first = ParseSegmentName(name);
    if (first && *first >= manifest.end()) firsts.push_back(*first);
  }
  result_.begin = result_.end = manifest.end();
  if (!manifest.segments.empty()) {
    result_.chain = manifest.segments.back().chain_after;
  } else if (!firsts.empty() && firsts.front() == Offset()) {
    // The first segment of all is the root of the chain; its own checksum vouches for it.
    WEIR_ASSIGN_OR_RETURN(const auto file, files_.Open(PathOf(Offset()), io::OpenMode::kRead));
    std::string sector(kSegmentHeaderBytes, '\0');
    WEIR_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, sector));
    const auto header = DecodeSegmentHeader({sector.data(), got});
    if (!header) return Damaged(Offset(), header.error().message);
    result_.chain = header->chain;
  }
  for (size_t i = 0; i < firsts.size(); ++i) {
    if (i + 1 < firsts.size()) {
      WEIR_RETURN_IF_ERROR(CheckClosed(firsts[i]));
    } else {
      WEIR_RETURN_IF_ERROR(CheckNewest(firsts[i]));
    }
  }
  WEIR_RETURN_IF_ERROR(CheckReaches());
  if (repair_) WEIR_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  return std::move(result_);
}

}  // namespace

TailDecision DecideTail(const TailEvidence& evidence) {
  if (!evidence.newest) {
    const bool whole = evidence.closed && evidence.rest == Rest::kZeros;
    return whole ? TailDecision::kEnd : TailDecision::kDamaged;
  }
  if (evidence.closed) {
    if (evidence.rest != Rest::kZeros) return TailDecision::kDamaged;
  } else if (!evidence.full_size) {
    return TailDecision::kDamaged;
  }
  switch (evidence.rest) {
    case Rest::kZeros:
      return evidence.reached ? TailDecision::kMissing : TailDecision::kEnd;
    case Rest::kUnproven:
      return evidence.reached ? TailDecision::kDamaged : TailDecision::kTorn;
    case Rest::kProven:
      return TailDecision::kDamaged;
  }
  WEIR_CHECK_MSG(false, "a Rest without a name");
}

base::Result<Recovered> Recover(io::FileSystem& files, const std::string& directory,
                                const std::vector<Reach>& reaches, bool repair) {
  return Recoverer(files, directory, reaches, repair).Run();
}

base::Status VisitFrames(io::FileSystem& files, const std::string& directory,
                         const Recovered& recovered, Offset from, const FrameVisitor& visit) {
  const auto visit_one = [&](Offset first, Offset end) -> base::Status {
    if (end <= from) return {};
    const std::string path = io::JoinPath(directory, SegmentName(first));
    WEIR_ASSIGN_OR_RETURN(const auto file, files.Open(path, io::OpenMode::kRead));
    WEIR_ASSIGN_OR_RETURN(const SegmentScan scan, ScanSegment(*file, visit));
    if (scan.end == end) return {};
    return base::Fail(ErrorCode::kCorruption, SegmentName(first) + ": " + scan.damage +
                                                  ", at byte " + std::to_string(scan.position) +
                                                  ", " + Range(scan.end, end));
  };
  for (const RecoveredSegment& segment : recovered.closed) {
    WEIR_RETURN_IF_ERROR(visit_one(segment.segment.first, segment.segment.end));
  }
  if (recovered.newest) {
    WEIR_RETURN_IF_ERROR(visit_one(recovered.newest->header.first, recovered.newest->end));
  }
  return {};
}

}  // namespace weir::journal
