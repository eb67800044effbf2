"""Rows of a split, with the few methods of a Hugging Face dataset that process_docs functions use."""


class Documents(list):
    """A list of rows (dict)."""

    @classmethod
    def from_list(cls, rows, **_options):
        return cls(dict(row) for row in rows)

    @classmethod
    def from_dict(cls, columns, **_options):
        names = list(columns)
        return cls(dict(zip(names, values)) for values in zip(*columns.values()))

    @property
    def features(self):
        """The columns, in the order in which rows bring them up."""
        names = {}
        for row in self:
            for name in row:
                names.setdefault(name, None)
        return names

    @property
    def column_names(self):
        return list(self.features)

    @property
    def num_rows(self):
        return len(self)

    def __getitem__(self, key):
        if isinstance(key, str):
            return [row.get(key) for row in self]
        if isinstance(key, slice):
            part = list.__getitem__(self, key)
            return {name: [row.get(name) for row in part] for name in self.features}
        return list.__getitem__(self, key)

    def map(self, function, with_indices=False, batched=False, remove_columns=None, fn_kwargs=None,
            batch_size=1000, **_options):
        """Rows with what @p function returns merged over them."""
        options = fn_kwargs or {}
        if batched:
            return self._map_batched(function, with_indices, remove_columns, options, batch_size)
        dropped = _names(remove_columns)
        out = Documents()
        for number, row in enumerate(self):
            made = function(dict(row), number, **options) if with_indices else function(dict(row), **options)
            out.append({**{k: v for k, v in row.items() if k not in dropped}, **(made or {})})
        return out

    def _map_batched(self, function, with_indices, remove_columns, options, batch_size):
        dropped = _names(remove_columns)
        names = self.column_names
        out = Documents()
        for start in range(0, len(self), batch_size):
            rows = list.__getitem__(self, slice(start, start + batch_size))
            columns = {name: [row.get(name) for row in rows] for name in names}
            numbers = list(range(start, start + len(rows)))
            made = function(columns, numbers, **options) if with_indices else function(columns, **options)
            kept = {name: values for name, values in columns.items() if name not in dropped and name not in made}
            out.extend(Documents.from_dict({**kept, **made}))
        return out

    def filter(self, function, with_indices=False, fn_kwargs=None, **_options):
        options = fn_kwargs or {}
        return Documents(row for number, row in enumerate(self)
                         if (function(row, number, **options) if with_indices else function(row, **options)))

    def select(self, indices, **_options):
        return Documents(list.__getitem__(self, int(index)) for index in indices)

    def take(self, count):
        return Documents(list.__getitem__(self, slice(0, count)))

    def skip(self, count):
        return Documents(list.__getitem__(self, slice(count, None)))

    def sort(self, column, reverse=False, **_options):
        """A sorted copy by @p column, as in datasets."""
        return Documents(sorted(self, key=lambda row: row[column], reverse=reverse))

    def add_column(self, name, column, **_options):
        return Documents({**row, name: value} for row, value in zip(self, column))

    def remove_columns(self, columns):
        dropped = _names(columns)
        return Documents({k: v for k, v in row.items() if k not in dropped} for row in self)

    def rename_column(self, old, new):
        return self.rename_columns({old: new})

    def rename_columns(self, names):
        return Documents({names.get(k, k): v for k, v in row.items()} for row in self)

    def select_columns(self, columns):
        kept = _names(columns)
        return Documents({k: v for k, v in row.items() if k in kept} for row in self)

    def flatten_indices(self, **_options):
        return self

    def to_list(self):
        return list(self)

    def to_dict(self):
        return {name: self[name] for name in self.column_names}


def _names(columns):
    if columns is None:
        return set()
    return {columns} if isinstance(columns, str) else set(columns)
