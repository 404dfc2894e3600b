-- Leave these folders to be read when nothing else may be.
SET GLOBAL allowed_directories = $folders;
