// Streams one export: pieces are made on a helper thread and sent at the client's pace.
#pragma once

#include <memory>
#include <string>

#include "exec/worker_pool.h"
#include "net/http.h"
#include "services/epro/export.h"
#include "store/reader_pool.h"

namespace weir::epro {

class ExportFeed : public std::enable_shared_from_this<ExportFeed> {
 public:
  // On the loop, with the export opened by a helper. Memory: two pieces. At `deadline_ns` (steady
  // clock; 0: none) the answer is broken off, so that nobody takes it for whole.
  static void Start(net::Loop& loop, net::Ticket ticket, exec::WorkerPool& helpers,
                    store::ReaderPool& readers, const std::string& file_name, Export table,
                    int64_t deadline_ns);

 private:
  struct Piece {
    bool failed = false;
    bool more = false;
    std::string rows;
  };
  ExportFeed(net::Loop& loop, exec::WorkerPool& helpers, store::ReaderPool& readers, Export table,
             int64_t deadline_ns)
      : loop_(loop),
        helpers_(helpers),
        readers_(readers),
        deadline_ns_(deadline_ns),
        table_(std::move(table)) {}
  void Make();
  void Send(const Piece& piece);

  net::Loop& loop_;
  exec::WorkerPool& helpers_;
  store::ReaderPool& readers_;
  const int64_t deadline_ns_;
  Export table_;  // a helper's while a piece is being made, else the loop's
  net::BodyWriter* writer_ = nullptr;
  bool making_ = false;
  bool full_ = false;
  std::shared_ptr<ExportFeed> self_;  // shared with the piece in the making; until the end
};

}  // namespace weir::epro
