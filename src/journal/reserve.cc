#include "journal/reserve.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace weir::journal {

using base::ErrorCode;

Reserve::Reserve(io::FileSystem& files, const base::Clock& clock, std::string directory,
                 uint64_t segment_bytes)
    : files_(files),
      clock_(clock),
      directory_(std::move(directory)),
      path_(io::JoinPath(directory_, kName)),
      segment_bytes_(segment_bytes),
      zeros_(std::min(kStepBytes, segment_bytes), '\0') {}

base::Status Reserve::Note(base::Status status) {
  no_space_ = !status && status.error().code == ErrorCode::kNoSpace;
  if (no_space_) {
    refused_ns_ = clock_.SteadyNs();
    file_.reset();
    auto exists = files_.Exists(path_);
    base::Status removed;
    if (!exists) {
      removed = base::Fail(exists.error());
    } else if (*exists) {
      removed = files_.Remove(path_);
    }
    if (!removed) status = removed;
  }
  if (!status && status.error().code != ErrorCode::kNoSpace) final_error_ = status.error();
  return status;
}

base::Status Reserve::Make(uint64_t bytes) {
  if (!file_) {
    WEIR_ASSIGN_OR_RETURN(file_, files_.Open(path_, io::OpenMode::kCreate));
    // What an earlier process left behind may hold anything.
    WEIR_RETURN_IF_ERROR(file_->Truncate(0));
    bytes_ = filled_ = 0;
  }
  if (bytes_ < bytes) {
    WEIR_RETURN_IF_ERROR(file_->Allocate(bytes));
    bytes_ = bytes;
  }
  return {};
}

base::Status Reserve::Fill() {
  const uint64_t step = std::min<uint64_t>(zeros_.size(), bytes_ - filled_);
  WEIR_RETURN_IF_ERROR(file_->WriteAt(filled_, std::string_view(zeros_).substr(0, step)));
  WEIR_RETURN_IF_ERROR(file_->SyncData());
  // Nobody reads the zeros. Where they are written over, memory just used is used again, which
  // costs less than taking some that was never touched (docs/performance.md). Where it is not given
  // back nothing is lost.
  (void)file_->ForgetCached(filled_, step);
  filled_ += step;
  return {};
}

base::Result<bool> Reserve::Advance(uint64_t filled_min) {
  const std::lock_guard lock(mutex_);
  if (final_error_) return base::Fail(*final_error_);
  if (taken_) return false;
  filled_min = std::min(filled_min, segment_bytes_);
  if (!file_) {
    WEIR_RETURN_IF_ERROR(Note(Make(segment_bytes_)));
  } else if (filled_ < filled_min) {
    WEIR_RETURN_IF_ERROR(Note(Fill()));
  }
  return filled_ < filled_min;
}

base::Result<Reserve::Taken> Reserve::Take(uint64_t bytes_min) {
  const std::lock_guard lock(mutex_);
  WEIR_CHECK(!taken_);
  if (final_error_) return base::Fail(*final_error_);
  if (no_space_ && clock_.SteadyNs() - refused_ns_ < kRetryNs) {
    return base::Fail(ErrorCode::kNoSpace, "no space for a new segment in " + directory_);
  }
  WEIR_RETURN_IF_ERROR(Note(Make(std::max(bytes_min, segment_bytes_))));
  taken_ = true;
  return Taken{std::move(file_), bytes_};
}

void Reserve::Renamed() {
  const std::lock_guard lock(mutex_);
  taken_ = false;
}

base::Status Reserve::GiveBack() {
  const std::lock_guard lock(mutex_);
  taken_ = false;
  auto status = Note(base::Fail(ErrorCode::kNoSpace, ""));
  if (status.error().code != ErrorCode::kNoSpace) return status;
  return {};
}

bool Reserve::no_space() const {
  const std::lock_guard lock(mutex_);
  return no_space_;
}

}  // namespace weir::journal
