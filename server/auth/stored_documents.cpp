#include "server/auth/stored_documents.hpp"

#include "storage/snapshot.hpp"

namespace assay::server {

namespace {

class stored_documents : public document_store {
public:
  stored_documents(std::shared_ptr<storage::store> store, farm_access& farm, reader_pool& readers)
      : store_(std::move(store)), farm_(farm), readers_(readers) {}

  result<std::optional<std::string>> find(const std::string& table, const std::string& key) override {
    const auto where = storage::table_from_string(table);
    if (!where)
      return fault{errc::internal, "there is no table " + table, {}, {}};
    auto view = storage::snapshot::open(store_);
    if (!view)
      return view.error();
    auto found = view->find_document(*where, key);
    if (!found)
      return found.error();
    if (!*found)
      return std::optional<std::string>{};
    return std::optional<std::string>{std::move((*found)->bytes)};
  }

  boost::asio::awaitable<result<document_list>> list(std::string table, std::optional<std::string> after,
                                                     size_t limit) override {
    auto read = [store = store_, table = std::move(table), after = std::move(after), limit] {
      return read_page(store, table, after, limit);
    };
    co_return co_await readers_.run(std::move(read));
  }

  boost::asio::awaitable<result<void>> write(std::vector<document_change> changes) override {
    return farm_.write(std::move(changes));
  }

private:
  static result<document_list> read_page(const std::shared_ptr<storage::store>& store,
                                         const std::string& table, const std::optional<std::string>& after,
                                         size_t limit) {
    const auto where = storage::table_from_string(table);
    if (!where)
      return fault{errc::internal, "there is no table " + table, {}, {}};
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    storage::document_query query;
    query.after = after;
    query.limit = limit;
    auto page = view->page_documents(*where, query);
    if (!page)
      return page.error();
    document_list out;
    out.next = page->next;
    for (auto& [key, document] : page->documents)
      out.documents.emplace_back(key, std::move(document.bytes));
    return out;
  }

  std::shared_ptr<storage::store> store_;
  farm_access& farm_;
  reader_pool& readers_;
};

} // namespace

std::shared_ptr<document_store> make_stored_documents(std::shared_ptr<storage::store> store,
                                                      farm_access& farm, reader_pool& readers) {
  return std::make_shared<stored_documents>(std::move(store), farm, readers);
}

} // namespace assay::server
