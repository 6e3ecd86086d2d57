-- Whose turn it is. A deployment counts for one workspace; `asks` says that it would take its turn now,
-- `in_way` that those behind it wait for it. Both follow from the status and are written with it.
ALTER TABLE deployments ADD COLUMN workspace TEXT NOT NULL DEFAULT 'default';
ALTER TABLE deployments ADD COLUMN asks INTEGER NOT NULL DEFAULT 0 CHECK (asks IN (0, 1));
ALTER TABLE deployments ADD COLUMN in_way INTEGER NOT NULL DEFAULT 0 CHECK (in_way IN (0, 1));

UPDATE deployments SET in_way = 1 WHERE ended = 0 AND word <> 'blocked';
UPDATE deployments SET asks = 1 WHERE ended = 0 AND word = 'queued' AND status NOT LIKE '%"paused":true%';

-- They answer without reading the rows, whose large column comes first.
CREATE INDEX deployments_asking ON deployments (workspace, id, resource) WHERE asks = 1;
CREATE INDEX deployments_in_way ON deployments (resource, id, workspace) WHERE in_way = 1;
CREATE INDEX deployments_line ON deployments (workspace, id, word) WHERE ended = 0;
CREATE INDEX resources_held ON resources (holder) WHERE holder IS NOT NULL;
