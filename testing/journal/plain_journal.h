// A journal without threads and without index: recovery, writer and reader, one call at a time, so
// that a test may stop it at any I/O call and knows exactly what was durable then.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/reader.h"
#include "journal/recovery.h"
#include "journal/reserve.h"
#include "journal/writer.h"
#include "testing/disk/virtual_clock.h"
#include "testing/journal/records.h"

namespace weir::testing {

class PlainJournal {
 public:
  struct Options {
    std::string directory = "journal";
    uint64_t segment_bytes = 64u << 10;
    journal::WriterOptions writer;
    std::vector<journal::Reach> reaches;
    bool repair = true;
  };

  PlainJournal(io::FileSystem& files, Options options)
      : files_(files), options_(std::move(options)), segments_(files, options_.directory) {}

  base::Status Open() {
    WEIR_RETURN_IF_ERROR(files_.MakeDirectories(options_.directory));
    WEIR_ASSIGN_OR_RETURN(recovered_, journal::Recover(files_, options_.directory, options_.reaches,
                                                       options_.repair));
    for (const auto& segment : recovered_.closed) segments_.AddClosed(segment.segment);
    journal::WriterStart start;
    start.next = recovered_.end;
    start.chain = recovered_.chain;
    if (recovered_.newest) {
      segments_.AddNewest({recovered_.newest->header.first, recovered_.newest->end,
                           recovered_.newest->header.segment_bytes, false},
                          recovered_.newest_file, recovered_.newest->index);
      start.file = recovered_.newest_file;
      start.segment_bytes = recovered_.newest->header.segment_bytes;
      start.position = recovered_.newest->position;
    } else if (recovered_.end == journal::Offset()) {
      start.chain = journal::FirstChain(clock_.WallMs());
    }
    reserve_ = std::make_unique<journal::Reserve>(files_, clock_, options_.directory,
                                                  options_.segment_bytes);
    writer_ = std::make_unique<journal::Writer>(files_, clock_, options_.directory, segments_,
                                                *reserve_, options_.writer, std::move(start));
    return {};
  }

  // Appends and commits the records numbered from the end on: one group, or more where it is full.
  base::Status Append(uint64_t count) {
    std::vector<std::string> texts;
    texts.reserve(2 * count);  // the writer keeps views
    for (uint64_t i = 0; i < count;) {
      const uint64_t number = writer_->next().value();
      const std::string& body = texts.emplace_back(BodyOf(number));
      const std::string& head = texts.emplace_back(HeadOf(number));
      WEIR_ASSIGN_OR_RETURN(const auto room, writer_->MakeRoom(head.size(), body.size()));
      if (room == journal::Writer::Room::kNoSpace) {
        WEIR_RETURN_IF_ERROR(writer_->Commit());
        return base::Fail(base::ErrorCode::kNoSpace, "no room for a segment");
      }
      if (room == journal::Writer::Room::kGroupFull) {
        WEIR_RETURN_IF_ERROR(writer_->Commit());
        texts.clear();
        continue;
      }
      writer_->Append(HeaderOf(number, body), head, body);
      ++i;
    }
    return writer_->Commit();
  }
  base::Status Seal() { return writer_->Seal(); }

  // The first offset whose record is not what was stored, or the end; nullopt if reading failed.
  std::optional<uint64_t> IntactUpTo() {
    journal::Reader reader(segments_, 1u << 20);
    journal::Block block;
    const uint64_t end = writer_->durable().value();
    uint64_t at = recovered_.begin.value();
    while (at < end) {
      if (!reader.Read(journal::Offset(at), journal::Offset(end), 1000, 1u << 20, &block)) {
        return std::nullopt;
      }
      for (const journal::RecordView& record : block.records) {
        if (record.offset.value() != at || !IsRecord(record, at)) return at;
        ++at;
      }
    }
    return at;
  }

  const journal::Recovered& recovered() const { return recovered_; }
  journal::Writer& writer() { return *writer_; }
  journal::Reserve& reserve() { return *reserve_; }
  journal::SegmentSet& segments() { return segments_; }
  uint64_t durable() const { return writer_->durable().value(); }
  VirtualClock& clock() { return clock_; }

 private:
  io::FileSystem& files_;
  const Options options_;
  VirtualClock clock_;
  journal::SegmentSet segments_;
  journal::Recovered recovered_;
  std::unique_ptr<journal::Reserve> reserve_;
  std::unique_ptr<journal::Writer> writer_;
};

}  // namespace weir::testing
