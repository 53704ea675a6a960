// How a journal is opened: its index against its records, and its records against their index.
#include <algorithm>

#include "base/keyed_hash.h"
#include "exec/thread.h"
#include "journal/frame.h"
#include "journal/journal_impl.h"
#include "journal/scan.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

constexpr uint64_t kSegmentBytesMin = 64u << 10;
constexpr uint64_t kSegmentBytesMax = uint64_t{4} << 30;
constexpr const char* kIndexDirectory = "index";

std::string Number(Offset offset) { return std::to_string(offset.value()); }

// Finds the chain value at one offset among the frames that are walked.
class ChainAt {
 public:
  ChainAt(const Recovered& recovered, Offset at) : at_(at) {
    if (at == recovered.end) chain_ = recovered.chain;
    for (const RecoveredSegment& segment : recovered.closed) See(segment.header);
    if (recovered.newest) See(recovered.newest->header);
  }
  void See(const FrameHeader& header) {
    if (header.end() == at_) chain_ = header.chain;
  }
  bool Is(const Digest& chain) const { return chain_ == chain; }

 private:
  void See(const SegmentHeader& header) {
    if (header.first == at_) chain_ = header.chain;
  }
  Offset at_;
  std::optional<Digest> chain_;
};

}  // namespace

base::Result<std::unique_ptr<Journal>> Journal::Open(io::FileSystem& files,
                                                     const base::Clock& clock, Options options) {
  auto journal = std::make_unique<JournalImpl>(files, clock, std::move(options));
  WEIR_RETURN_IF_ERROR(journal->Start());
  return journal;
}

base::Status JournalImpl::CheckOptions() const {
  const auto wrong = [](const char* what) { return base::Fail(ErrorCode::kInvalidArgument, what); };
  if (options_.segment_bytes < kSegmentBytesMin || options_.segment_bytes > kSegmentBytesMax ||
      options_.segment_bytes % kSectorBytes != 0) {
    return wrong("a segment has 64 KiB to 4 GiB, in steps of 512 bytes");
  }
  if (options_.batch_bytes_max < 4096 || options_.batch_records_max < 1) {
    return wrong("a group takes at least 4096 bytes and one record");
  }
  return {};
}

base::Status JournalImpl::OpenIndexes() {
  const std::string directory = io::JoinPath(options_.directory, kIndexDirectory);
  WEIR_RETURN_IF_ERROR(files_.MakeDirectories(directory));
  ControlIndexOptions control;
  control.directory = directory;
  WEIR_ASSIGN_OR_RETURN(control_index_, ControlIndex::Open(files_, control));
  KeyIndexOptions keys;
  keys.directory = directory;
  keys.recent_keys_max = options_.recent_keys_max;
  keys.batch_records_max = options_.batch_records_max;
  keys.conflicts_per_key_max = options_.conflicts_per_key_max;
  keys.hash_seed = base::DrawSecret();
  keys.before_checkpoint = [control = control_index_.get()] { return control->Sync(); };
  WEIR_ASSIGN_OR_RETURN(key_index_, KeyIndex::Open(files_, std::move(keys)));
  return {};
}

base::Status JournalImpl::CheckIndexes(const Recovered& recovered) const {
  const KeyIndex::Covered covered = key_index_->covered();
  if (covered.end < recovered.begin) {
    return base::Fail(ErrorCode::kCorruption,
                      "the key index ends before offset " + Number(covered.end) +
                          ", and the segments below " + Number(recovered.begin) +
                          " were archived: bring them back, or the index, for repeats of these "
                          "records would not be known");
  }
  return {};
}

base::Status JournalImpl::ReplayIndexes(const Recovered& recovered) {
  const KeyIndex::Covered keys = key_index_->covered();
  const Offset controls = std::max(control_index_->covered(), recovered.begin);
  const Offset from = std::min(keys.end, controls);
  ChainAt chain_at(recovered, keys.end);
  std::vector<ControlEntry> entries;
  const auto replay = [&](const FrameHeader& header, std::string_view frame) -> base::Status {
    chain_at.See(header);
    if (header.type != FrameType::kBatch || header.end() <= from) return {};
    WEIR_ASSIGN_OR_RETURN(const std::vector<RecordView> records, DecodeTable(header, frame));
    entries.clear();
    for (const RecordView& record : records) {
      if (record.offset >= keys.end) WEIR_RETURN_IF_ERROR(key_index_->Replay(record));
      if (record.offset >= controls && (record.flags & kControl) != 0) {
        entries.push_back({record.offset, record.kind, record.flags});
      }
    }
    if (entries.size() > control_index_->room()) {
      WEIR_RETURN_IF_ERROR(control_index_->Sync());
    }
    if (header.end() > controls) control_index_->Committed(entries, header.end());
    if (header.end() > keys.end) key_index_->Durable(header.end(), header.chain);
    return {};
  };
  WEIR_RETURN_IF_ERROR(VisitFrames(files_, options_.directory, recovered, from, replay));
  if (keys.end != Offset() && !chain_at.Is(keys.chain)) {
    return base::Fail(ErrorCode::kCorruption,
                      "the key index was made from another journal than this one, or from records "
                      "that this one lost: their hash chains differ at offset " +
                          Number(keys.end));
  }
  return {};
}

base::Status JournalImpl::OpenSegments(Recovered& recovered) {
  for (const RecoveredSegment& segment : recovered.closed) segments_.AddClosed(segment.segment);
  if (!recovered.newest) return {};
  SegmentScan& newest = *recovered.newest;
  segments_.AddNewest({newest.header.first, newest.end, newest.header.segment_bytes, false},
                      recovered.newest_file, std::move(newest.index));
  return {};
}

base::Status JournalImpl::StartWriting(Recovered& recovered) {
  WriterStart start;
  start.next = recovered.end;
  start.chain = recovered.chain;
  if (recovered.newest) {
    start.file = recovered.newest_file;
    start.segment_bytes = recovered.newest->header.segment_bytes;
    start.position = recovered.newest->position;
  } else if (recovered.end == Offset()) {
    start.chain = FirstChain(clock_.WallMs());
  }
  reserve_ = std::make_unique<Reserve>(files_, clock_, options_.directory, options_.segment_bytes);
  for (bool more = !start.file; more;) {
    const auto advanced = reserve_->Advance(options_.segment_bytes);
    // Without space it starts all the same, answers what is stored, and tries again.
    if (!advanced && advanced.error().code != ErrorCode::kNoSpace) {
      return base::Fail(advanced.error());
    }
    more = advanced && *advanced;
  }
  writer_ = std::make_unique<Writer>(files_, clock_, options_.directory, segments_, *reserve_,
                                     MakeWriterOptions(), std::move(start));
  commit_ = std::make_unique<GroupCommit>(
      *writer_, *key_index_, static_cast<GroupCommitObserver&>(*this), options_.pending_bytes_max);
  commit_->Start();
  reserve_thread_ = std::thread([this] {
    exec::SetThreadName("reserve");
    RunReserve();
  });
  return {};
}

base::Status JournalImpl::Start() {
  const int64_t began_ns = clock_.SteadyNs();
  WEIR_RETURN_IF_ERROR(CheckOptions());
  std::vector<Reach> reaches;
  if (options_.cursor_max) reaches.push_back({*options_.cursor_max, "a task's cursor"});
  if (!options_.read_only) {
    WEIR_RETURN_IF_ERROR(files_.MakeDirectories(options_.directory));
    WEIR_ASSIGN_OR_RETURN(lock_, files_.Lock(options_.directory));
    WEIR_RETURN_IF_ERROR(OpenIndexes());
    reaches.push_back({key_index_->covered().end, "the key index"});
    reaches.push_back({control_index_->covered(), "the control index"});
  }
  WEIR_ASSIGN_OR_RETURN(Recovered recovered,
                        Recover(files_, options_.directory, reaches, !options_.read_only));
  recovery_.end = recovered.end;
  recovery_.sealed = recovered.sealed;
  recovery_.torn_bytes = recovered.torn_bytes;
  recovery_.torn_file = recovered.torn_file;
  durable_end_.store(recovered.end.value());
  if (!options_.read_only) {
    WEIR_RETURN_IF_ERROR(CheckIndexes(recovered));
    WEIR_RETURN_IF_ERROR(ReplayIndexes(recovered));
  }
  WEIR_RETURN_IF_ERROR(OpenSegments(recovered));
  if (!options_.read_only) WEIR_RETURN_IF_ERROR(StartWriting(recovered));
  recovery_.duration_ms = (clock_.SteadyNs() - began_ns) / 1'000'000;
  return {};
}

}  // namespace weir::journal
