// The next segment's file, made ready ahead of its use: its blocks reserved and filled with zeros,
// because fdatasync on blocks that were never written costs 1.6 times as much (the file system must
// record that they are in use).
//
// The file is `next.seg` until the writer takes it and names it. Threads: any; a call waits for at
// most one other's step.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/file_system.h"

namespace weir::journal {

class Reserve {
 public:
  static constexpr const char* kName = "next.seg";
  static constexpr uint64_t kStepBytes = 256u << 10;
  // After a refusal for want of space Take() refuses at once for so long.
  static constexpr int64_t kRetryNs = 250'000'000;

  Reserve(io::FileSystem& files, const base::Clock& clock, std::string directory,
          uint64_t segment_bytes);

  // One bounded step: makes the file and reserves its blocks, or fills and syncs kStepBytes of it,
  // until `filled_min` bytes (at most the segment's size) are filled. True: there is more to do.
  // kNoSpace: nothing is kept, and a later call tries again. Other errors are final, and Take()
  // returns them too.
  base::Result<bool> Advance(uint64_t filled_min);

  // The file, with at least `bytes_min` reserved, filled as far as Advance() came; its size. Until
  // Renamed() or GiveBack() it is still `next.seg`, and nothing else is made ready.
  struct Taken {
    std::unique_ptr<io::File> file;
    uint64_t bytes = 0;
  };
  base::Result<Taken> Take(uint64_t bytes_min);
  void Renamed();
  // The file that was taken could not be used for want of space: it is removed.
  base::Status GiveBack();

  // The last attempt to reserve space failed.
  bool no_space() const;

 private:
  base::Status Make(uint64_t bytes);
  base::Status Fill();
  // Keeps what is final; removes the file where `status` is kNoSpace, and notes the time.
  base::Status Note(base::Status status);

  io::FileSystem& files_;
  const base::Clock& clock_;
  const std::string directory_;
  const std::string path_;
  const uint64_t segment_bytes_;
  const std::string zeros_;
  mutable std::mutex mutex_;
  std::unique_ptr<io::File> file_;
  uint64_t bytes_ = 0;
  uint64_t filled_ = 0;
  bool taken_ = false;
  bool no_space_ = false;
  int64_t refused_ns_ = 0;
  std::optional<base::Error> final_error_;
};

}  // namespace weir::journal
