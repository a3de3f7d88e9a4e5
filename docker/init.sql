-- init.sql
--	  What the PostgreSQL of compose.yml has when it starts for the first time.
CREATE EXTENSION topk_pipeline CASCADE;
SELECT topk_pipeline.create('recently_interacted');
