#include "io/file_system.h"

#include "base/crc32c.h"

namespace weir::io {

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

base::Result<std::string> ReadWhole(FileSystem& files, const std::string& path, uint64_t size_max) {
  WEIR_ASSIGN_OR_RETURN(const auto file, files.Open(path, OpenMode::kRead));
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > size_max) {
    return base::Fail(base::ErrorCode::kTooLarge, path + " has " + std::to_string(size) +
                                                      " bytes; at most " +
                                                      std::to_string(size_max) + " are read");
  }
  std::string bytes(size, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file->ReadAt(0, bytes));
  bytes.resize(got);
  return bytes;
}

base::Status ReplaceWhole(FileSystem& files, const std::string& directory, const std::string& name,
                          std::string_view bytes) {
  const std::string path = JoinPath(directory, name);
  const std::string fresh = path + ".new";
  {
    WEIR_ASSIGN_OR_RETURN(const auto file, files.Open(fresh, OpenMode::kCreate));
    WEIR_RETURN_IF_ERROR(file->Truncate(0));
    WEIR_RETURN_IF_ERROR(file->WriteAt(0, bytes));
    WEIR_RETURN_IF_ERROR(file->SyncData());
  }
  WEIR_RETURN_IF_ERROR(files.Rename(fresh, path));
  return files.SyncDirectory(directory);
}

base::Result<CopiedFile> CopyWhole(FileSystem& files, const std::string& from,
                                   const std::string& directory, const std::string& name) {
  constexpr size_t kPieceBytes = 1u << 20;
  const std::string path = JoinPath(directory, name);
  const std::string fresh = path + ".new";
  CopiedFile copied;
  {
    WEIR_ASSIGN_OR_RETURN(const auto source, files.Open(from, OpenMode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto target, files.Open(fresh, OpenMode::kCreate));
    WEIR_RETURN_IF_ERROR(target->Truncate(0));
    std::string piece(kPieceBytes, '\0');
    for (;;) {
      WEIR_ASSIGN_OR_RETURN(const size_t got, source->ReadAt(copied.bytes, piece));
      const std::string_view bytes(piece.data(), got);
      if (got > 0) WEIR_RETURN_IF_ERROR(target->WriteAt(copied.bytes, bytes));
      copied.bytes += got;
      copied.crc32c = base::ExtendCrc32c(copied.crc32c, bytes);
      if (got < piece.size()) break;
    }
    WEIR_RETURN_IF_ERROR(target->SyncData());
  }
  WEIR_RETURN_IF_ERROR(files.Rename(fresh, path));
  WEIR_RETURN_IF_ERROR(files.SyncDirectory(directory));
  return copied;
}

}  // namespace weir::io
