-- In which language letters to a person are written; null: in the company's. Run as the owner role,
-- once.
ALTER TABLE books.people ADD COLUMN language text CHECK (language IN ('ru', 'en'));
